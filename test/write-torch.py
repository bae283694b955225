"""Writes the tensors of raw.json and raw.bin in a folder as PyTorch does: state.pt, half.pt and scripted.pt."""
import json
import sys
from collections import OrderedDict
from pathlib import Path

import torch

folder = Path(sys.argv[1])
raw = bytearray((folder / "raw.bin").read_bytes())
state = OrderedDict()
for entry in json.loads((folder / "raw.json").read_text()):
    count = 1
    for extent in entry["shape"]:
        count *= extent
    values = torch.frombuffer(raw, dtype=torch.float32, count=count, offset=entry["offset"])
    state[entry["name"]] = values.reshape(entry["shape"]).clone()

torch.save(state, folder / "state.pt")
torch.save({"epoch": 3, "state_dict": OrderedDict(("module." + k, v.half()) for k, v in state.items())}, folder / "half.pt")


class Node(torch.nn.Module):
    pass


class Root(torch.nn.Module):
    def forward(self, x):
        return x


root = Root()
for name, values in state.items():
    *path, leaf = name.split(".")
    at = root
    for part in path:
        if not hasattr(at, part):
            at.add_module(part, Node())
        at = getattr(at, part)
    at.register_parameter(leaf, torch.nn.Parameter(values))
for name, value in (("input_resolution", 32), ("context_length", 77), ("vocab_size", 49408)):
    root.register_buffer(name, torch.tensor(value))
torch.jit.script(root).save(str(folder / "scripted.pt"))
