"""A CoOp step as PyTorch programs do it: every prompt at 77 positions, CLIP frozen, gradient to the context only.

Takes the sizes as JSON, waits for lines on stdin and answers each with a line of JSON, as work.ts does.
"""
import json
import os
import sys
import time

import numpy as np
import torch
from torch import nn

START, END, STOP = 49406, 49407, 269
VOCABULARY, CONTEXT_LENGTH = 49408, 77
LOGIT_SCALE, LEARNING_RATE = 100.0, 0.002


def random(stream, shape, std):
    """The numbers of data.ts."""
    h = np.arange(int(np.prod(shape)), dtype=np.uint32)
    h += np.uint32(((stream + 1) * 0x9E3779B1) & 0xFFFFFFFF)
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x7FEB352D)
    h = (h ^ (h >> np.uint32(15))) * np.uint32(0x846CA68B)
    h = h ^ (h >> np.uint32(16))
    values = (h.astype(np.float64) / 2**32 - 0.5) * (std * np.sqrt(12.0))
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


class QuickGELU(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class Block(nn.Module):
    """Pre-norm residual attention block on [T, K, D]."""

    def __init__(self, index, width, layers, heads, mask):
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), QuickGELU(), nn.Linear(4 * width, width))
        self.mask = mask
        at, narrow = 100 + 10 * index, width**-0.5 * (2 * layers) ** -0.5
        attention, mlp = self.attention, self.mlp
        pairs = [
            (attention.in_proj_weight, attention.in_proj_bias, width**-0.5),
            (attention.out_proj.weight, attention.out_proj.bias, narrow),
            (mlp[0].weight, mlp[0].bias, (2 * width) ** -0.5),
            (mlp[2].weight, mlp[2].bias, narrow),
        ]
        with torch.no_grad():
            for k, (weight, bias, std) in enumerate(pairs):
                weight.copy_(random(at + 2 * k, weight.shape, std))
                bias.copy_(random(at + 2 * k + 1, bias.shape, 0.02))

    def forward(self, x):
        y = self.norm1(x)
        mask = self.mask.to(dtype=x.dtype, device=x.device)
        x = x + self.attention(y, y, y, need_weights=False, attn_mask=mask)[0]
        return x + self.mlp(self.norm2(x))


class CoOp(nn.Module):
    def __init__(self, layers, width, heads, rows, contextTokens, batch, **_):
        super().__init__()
        mask = torch.full((CONTEXT_LENGTH, CONTEXT_LENGTH), float("-inf")).triu_(1)
        self.blocks = nn.Sequential(*[Block(i, width, layers, heads, mask) for i in range(layers)])
        self.final = nn.LayerNorm(width)
        tokens = random(0, (VOCABULARY, width), 0.02)
        constant = lambda name, value: self.register_buffer(name, value)
        constant("positions", random(1, (CONTEXT_LENGTH, width), 0.01))
        constant("projection", random(2, (width, width), width**-0.5).T.contiguous())
        ids = torch.zeros(len(rows), CONTEXT_LENGTH, dtype=torch.long)
        for k, name in enumerate(rows):
            row = [START] + [0] * contextTokens + name + [STOP, END]
            ids[k, : len(row)] = torch.tensor(row)
        embedded = tokens[ids]
        constant("prefix", embedded[:, :1].contiguous())
        constant("suffix", embedded[:, 1 + contextTokens :].contiguous())
        constant("ends", ids.argmax(dim=1))
        constant("labels", torch.arange(batch) * 7 % len(rows))
        features = random(11, (batch, width), 1)
        constant("features", features / features.norm(dim=-1, keepdim=True))
        for parameter in self.parameters():
            parameter.requires_grad_(False)
        self.context = nn.Parameter(random(10, (contextTokens, width), 0.02))

    def forward(self):
        count = len(self.ends)
        middle = self.context.unsqueeze(0).expand(count, -1, -1)
        prompts = torch.cat([self.prefix, middle, self.suffix], dim=1)
        x = self.blocks((prompts + self.positions).permute(1, 0, 2)).permute(1, 0, 2)
        x = self.final(x)
        text = x[torch.arange(count, device=x.device), self.ends] @ self.projection
        text = text / text.norm(dim=-1, keepdim=True)
        return nn.functional.cross_entropy((LOGIT_SCALE * self.features @ text.T).float(), self.labels)


def product_rate(n=1024):
    """GFLOP/s of a float32 product: a slow BLAS would make a poor rival."""
    a = torch.randn(n, n)
    a @ a
    start = time.perf_counter()
    for _ in range(5):
        a @ a
    return 5 * 2 * n**3 / (time.perf_counter() - start) / 1e9


def main():
    sizes = json.loads(sys.argv[1])
    cuda = sizes.pop("cuda", False)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    model = CoOp(**sizes)
    if cuda:
        model = model.half().cuda()
    optimizer = torch.optim.SGD([model.context], lr=LEARNING_RATE)

    def step():
        start = time.perf_counter()
        loss = model()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        value = loss.item()
        if cuda:
            torch.cuda.synchronize()
        return (time.perf_counter() - start) * 1e3, value

    say = lambda message: print(json.dumps(message), flush=True)
    name = torch.cuda.get_device_name() if cuda else "cpu"
    threads = torch.get_num_threads()
    (ms, first), (_, second) = step(), step()
    peak = torch.cuda.max_memory_allocated() if cuda else None
    about = f"PyTorch {torch.__version__} on {name}, {threads} threads"
    if not cuda:
        about += f", whose BLAS multiplies at {product_rate():.0f} GFLOP/s"
    say({"ready": True, "adapter": about, "firstMs": ms, "values": [first, second], "calls": 1, "peakBytes": peak})
    for _ in sys.stdin:
        say({"ms": step()[0], "adapter": about, "peakBytes": peak})


main()
