# Writes prompts into the folder argv[1] as Dassl's save_checkpoint does for CoOp, with embeddings out of argv[2] (JSON),
# and into expected.json the bits of their contexts.
import collections, json, sys, torch, warnings
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, _LRScheduler
warnings.simplefilter("ignore")
torch.manual_seed(0)
folder, given = sys.argv[1], json.load(open(sys.argv[2]))

class PromptLearner(nn.Module):
  def __init__(self, ctx, dtype):
    super().__init__()
    self.ctx = nn.Parameter(ctx)
    self.register_buffer("token_prefix", torch.tensor(given["prefix"]).reshape(given["prefixShape"]).to(dtype))
    self.register_buffer("token_suffix", torch.tensor(given["suffix"]).reshape(given["suffixShape"]).to(dtype))
class ConstantWarmup(_LRScheduler):
  def __init__(self, optimizer, successor):
    self.successor, self.warmup_epoch, self.cons_lr = successor, 1, 1e-5
    super().__init__(optimizer)
  def get_lr(self):
    return self.successor.get_last_lr() if self.last_epoch >= self.warmup_epoch else [self.cons_lr for _ in self.base_lrs]

expected = {}
K, M, D = given["prefixShape"][0], given["contextTokens"], given["prefixShape"][2]
for name, shape, dtype, legacy in [("unified", (M, D), torch.float32, False), ("half", (M, D), torch.float16, False), ("specific", (K, M, D), torch.float32, True)]:
  model = PromptLearner((torch.randn(shape) * 0.02).to(dtype), dtype)
  optimizer = torch.optim.SGD([model.ctx], lr=0.002, momentum=0.9, weight_decay=5e-4)
  scheduler = ConstantWarmup(optimizer, CosineAnnealingLR(optimizer, 50.0))
  for _ in range(2):
    optimizer.zero_grad()
    (model.ctx.float() ** 2).sum().backward()
    optimizer.step()
    scheduler.step()
  state = {"state_dict": model.state_dict(), "epoch": 50, "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict(), "val_result": given.get("val_result")}
  try:
    import numpy
    state["val_result"] = numpy.float64(91.5)
  except ImportError:
    pass
  torch.save(state, f"{folder}/{name}.pth.tar-50", _use_new_zipfile_serialization=not legacy)
  expected[name] = {"shape": list(shape), "values": model.ctx.detach().float().reshape(-1).tolist()}
json.dump(expected, open(f"{folder}/expected.json", "w"))
