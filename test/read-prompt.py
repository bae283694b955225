# Loads the prompt argv[1] with torch.load, both ways, and into a module as the reference does; prints JSON.
import json, sys, torch, warnings
from torch import nn
warnings.simplefilter("ignore")
full = torch.load(sys.argv[1], map_location="cpu")
safe = torch.load(sys.argv[1], map_location="cpu", weights_only=True)
assert list(full) == ["state_dict", "epoch", "optimizer", "scheduler", "val_result"], list(full)
assert type(full["state_dict"]).__name__ == "OrderedDict"
state = full["state_dict"]
for name, value in state.items():
  assert torch.equal(value, safe["state_dict"][name]) and value.is_contiguous() and value.dtype == torch.float32, name
class PromptLearner(nn.Module):
  def __init__(self):
    super().__init__()
    self.ctx = nn.Parameter(torch.zeros_like(state["ctx"]))
    self.register_buffer("token_prefix", torch.zeros(1))
    self.register_buffer("token_suffix", torch.zeros(1))
model = PromptLearner()
for name in ["token_prefix", "token_suffix"]: # as the reference's load_model
  if name in state: del state[name]
found = model.load_state_dict(state, strict=False)
assert found.unexpected_keys == [], found
bits = model.ctx.detach().contiguous().view(torch.int32).reshape(-1).tolist()
print(json.dumps({"epoch": full["epoch"], "rest": [full["optimizer"], full["scheduler"], full["val_result"]], "shape": list(model.ctx.shape), "bits": bits, "names": list(safe["state_dict"])}))
