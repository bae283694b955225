# Writes checkpoints of every kind into the folder argv[1], and into expected.json what their tensors are.
import collections, json, sys, torch, warnings
from torch import nn
warnings.simplefilter("ignore")
torch.manual_seed(0)
OD = collections.OrderedDict
state = OD(
  half=torch.randn(3, 4).half(), brain=torch.randn(5).bfloat16(), float=torch.randn(2, 3, 4), double=torch.randn(4).double(),
  long=torch.arange(-3, 4), int=torch.arange(5).int(), short=torch.arange(5).short(), char=torch.arange(-2, 2).to(torch.int8),
  byte=torch.arange(250, 256).to(torch.uint8), bool=torch.tensor([True, False]), scalar=torch.tensor(2.6592), empty=torch.zeros(0, 3),
  transposed=torch.randn(4, 3).t(), permuted=torch.randn(2, 3, 4).half().permute(2, 0, 1), slice=torch.randn(6, 6)[1:5:2, 2:],
  parameter=nn.Parameter(torch.randn(3, 2)), channels=torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last))
state["tied"] = state["float"]

class Block(nn.Module):
  def __init__(self):
    super().__init__()
    self.ln_1 = nn.LayerNorm(4)
    self.mlp = nn.Sequential(OD(c_fc=nn.Linear(4, 8).half(), gelu=nn.GELU(), c_proj=nn.Linear(8, 4).half()))
  def forward(self, x):
    return self.mlp(self.ln_1(x).half())
class Visual(nn.Module):
  def __init__(self):
    super().__init__()
    self.conv1 = nn.Conv2d(3, 4, 2, 2, bias=False).half()
    self.bn1 = nn.BatchNorm2d(4)
    self.resblocks = nn.Sequential(Block(), Block())
    self.proj = nn.Parameter(torch.randn(4, 2).half())
    self.register_buffer("input_resolution", torch.tensor(4))
    self.width = 4
    self.grid = [2, 2]
  def forward(self, x):
    x = self.bn1(self.conv1(x.half()).float()).flatten(2).permute(0, 2, 1)
    return self.resblocks(x).half()[:, 0] @ self.proj
class Model(nn.Module):
  def __init__(self):
    super().__init__()
    self.visual = Visual()
    self.logit_scale = nn.Parameter(torch.tensor(2.5))
    self.register_buffer("tilted", torch.randn(3, 4).t())
    self.shared = self.visual.resblocks
    self.label = "clip"
  def forward(self, x):
    return self.visual(x).float() * self.logit_scale.exp() + self.tilted.sum()
model = Model()
class Part(nn.Module):  # tracing runs the model, and PyTorch 1.13 multiplies no halves on a CPU
  def __init__(self):
    super().__init__()
    self.ln = nn.LayerNorm(4)
    self.inner = nn.Sequential(nn.Linear(4, 4), nn.GELU(), nn.Linear(4, 2))
    self.scale = nn.Parameter(torch.randn(2).half())
    self.register_buffer("input_resolution", torch.tensor(224))
  def forward(self, x):
    return self.inner(self.ln(x)) * self.scale.float() + self.input_resolution

expected = {}
def raw(t):
  flat = t.detach().contiguous().reshape(-1)
  return bytes(flat.view(torch.uint8).tolist()).hex() if t.numel() else ""
def wrote(path, tensors):
  expected[path] = {name: [str(t.dtype), list(t.shape), raw(t)] for name, t in tensors.items()}
out = sys.argv[1]
torch.save(state, out + "/state.pt"); wrote("state.pt", state)
torch.save(state, out + "/old.pt", _use_new_zipfile_serialization=False); wrote("old.pt", state)
torch.save(model.state_dict(), out + "/model.bin"); wrote("model.bin", model.state_dict())
torch.save({"epoch": 3, "name": "x", "state_dict": {"module." + k: v for k, v in model.state_dict().items()},
  "optimizer": torch.optim.AdamW(model.parameters()).state_dict()}, out + "/training.pt"); wrote("training.pt", model.state_dict())
torch.save(state, out + "/four.pt", pickle_protocol=4); wrote("four.pt", state)
script = torch.jit.script(model); script.save(out + "/script.pt"); wrote("script.pt", script.state_dict())
traced = torch.jit.trace(Part().eval(), torch.randn(1, 4)); traced.save(out + "/trace.pt"); wrote("trace.pt", traced.state_dict())
json.dump(expected, open(out + "/expected.json", "w"))
