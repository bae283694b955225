import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Mutant } from "./mutant.ts";
import type { Job } from "./worker.ts";

type Tests = Job["tests"];

const whole = (...names: string[]): Tests => names.map((name) => ({ file: `${name}.test.ts`, pattern: "." }));
const some = (name: string, pattern: string): Tests => [{ file: `${name}.test.ts`, pattern }];
/** The cases of these ops, by their values, gradients and kernels. */
const cases = (...ops: string[]): Tests => [
  ...some("ops", `^(${ops.join("|")}) > `),
  ...some("kernels", `^kernels > (${ops.join("|")}): `),
];

/** Products by the kernels whose names begin like this. */
const products = (kernel: string): Tests => some("matmul", `^matrix products > ${kernel}.*f32$`);

interface Watch {
  /** Ops whose cases are run where the mutant belongs to no op, or to one that has no case. */
  readonly ops?: readonly string[];
  /** Other tests that are run at once. */
  readonly first?: Tests;
  /** What is run where those notice nothing. */
  readonly wider?: Tests;
}

const rows = ["softmax", "logSumExp", "standardize", "layerNormGrad", "layerNorm", "l2Normalize", "l2NormalizeGrad"];
const attention = ["attention", "attentionLogSum", "attentionGradQuery", "attentionGradKey", "attentionGradValue"];
const views = ["reshape", "broadcastTo", "transpose", "slice", "pad", "flip"];
const AGAIN = whole("functions", "special-values", "autograd");

const attends = some("functions", "ttention");

/** What can see a fault in a file. */
const WATCHES: Readonly<Record<string, Watch>> = {
  "src/tensor/shape.ts": { ops: ["add", "sum", ...views], wider: AGAIN },
  "src/tensor/ops/attention.ts": { ops: attention, first: attends },
  "src/tensor/ops/attention-kernels.ts": {
    ops: attention,
    first: [...attends, ...some("epilogue", "^kernels of attention")],
  },
  "src/tensor/ops/attention-pattern.ts": { first: attends, wider: [...whole("packing"), ...cases(...attention)] },
  "src/tensor/ops/basic.ts": { ops: ["add", "where", "literal", "iota"], first: whole("functions"), wider: AGAIN },
  "src/tensor/ops/conv.ts": { ops: ["conv2d"], wider: whole("conv", "functions") },
  "src/tensor/ops/elementwise.ts": {
    ops: ["add", "mul", "less", "maximum", "cast", "where"],
    wider: [...AGAIN, ...whole("ulp")],
  },
  "src/tensor/ops/gather.ts": {
    ops: ["gather", "scatterAdd", "segmentSum"],
    wider: whole("functions", "special-values"),
  },
  "src/tensor/ops/lanes.ts": { ops: ["softmax", "layerNormGrad", "attention"] },
  "src/tensor/ops/loss.ts": { ops: ["crossEntropy"], wider: whole("functions", "special-values") },
  "src/tensor/ops/matmul.ts": { ops: ["matmul"], wider: [...products("matmul"), ...whole("functions", "epilogue")] },
  "src/tensor/ops/reduce.ts": { ops: ["sum", "max", "min"], wider: AGAIN },
  "src/tensor/ops/resample.ts": { ops: ["resample"], wider: whole("augment") },
  "src/tensor/ops/rows.ts": { ops: rows, wider: AGAIN },
  "src/tensor/ops/top-k.ts": {
    ops: ["topKIndices", "orderKey"],
    first: whole("top-k"),
    wider: whole("functions", "special-values"),
  },
  "src/tensor/ops/view.ts": { ops: views, wider: AGAIN },
  "src/tensor/ops/window.ts": { ops: ["unfold", "fold", "conv2d"], wider: whole("functions", "resnet") },
  "src/autograd/backward.ts": { first: whole("autograd"), wider: whole("programs") },
  "src/autograd/grad.ts": { first: whole("autograd"), wider: whole("programs") },
  "src/autograd/check.ts": { first: [...whole("autograd", "custom-op"), ...some("ops", "^(tanh|matmul) > ")] },
  "src/autograd/check-op.ts": { first: whole("custom-op") },
  "src/autograd/descend.ts": { first: whole("lbfgs"), wider: whole("linear-probe") },
  "src/autograd/lbfgs.ts": { first: whole("lbfgs"), wider: whole("linear-probe") },
  "src/autograd/line-search.ts": { first: whole("lbfgs"), wider: whole("linear-probe") },
  "src/autograd/optimizers.ts": { first: whole("optimizers"), wider: whole("train-fit") },
  "src/autograd/schedules.ts": { first: whole("optimizers", "schedule") },
  "shaders/attention.wgsl": { ops: ["attention"], first: attends },
  "shaders/attention-log-sum.wgsl": { ops: ["attentionLogSum"], first: attends, wider: cases("attention") },
  "shaders/attention-grad-query.wgsl": {
    ops: ["attentionGradQuery"],
    first: attends,
    wider: cases("attention"),
  },
  "shaders/attention-grad-key.wgsl": { ops: ["attentionGradKey"], first: attends, wider: cases("attention") },
  "shaders/attention-grad-value.wgsl": {
    ops: ["attentionGradValue"],
    first: attends,
    wider: cases("attention"),
  },
  "shaders/conv2d.wgsl": { ops: ["conv2d"], wider: some("conv", "^conv2d > conv2d ") },
  "shaders/conv2d-lanes.wgsl": { ops: ["conv2d"], wider: some("conv", "^conv2d > conv2d-lanes ") },
  "shaders/cross-entropy.wgsl": { ops: ["crossEntropy"], wider: whole("special-values") },
  "shaders/fold.wgsl": { ops: ["fold"] },
  "shaders/gather.wgsl": { ops: ["gather"], wider: whole("functions") },
  "shaders/l2-normalize.wgsl": { ops: ["l2Normalize"], wider: whole("special-values") },
  "shaders/l2-normalize-grad.wgsl": { ops: ["l2NormalizeGrad"], wider: whole("special-values") },
  "shaders/layer-norm-grad.wgsl": { ops: ["layerNormGrad"], wider: whole("special-values") },
  "shaders/log-sum-exp.wgsl": { ops: ["logSumExp"], wider: whole("special-values") },
  "shaders/matmul.wgsl": { first: products("matmul gives") },
  "shaders/matmul-lanes.wgsl": { first: products("matmul-lanes ") },
  "shaders/matmul-small.wgsl": { first: products("matmul-small ") },
  "shaders/matmul-tiles.wgsl": { first: products("matmul-tiles-") },
  "shaders/resample.wgsl": { ops: ["resample"], wider: whole("augment") },
  "shaders/scatter-add.wgsl": { ops: ["scatterAdd"], wider: whole("functions") },
  "shaders/segment-sum.wgsl": { ops: ["segmentSum"], wider: whole("functions") },
  "shaders/softmax.wgsl": { ops: ["softmax"], wider: whole("special-values") },
  "shaders/standardize.wgsl": { ops: ["standardize"], wider: whole("special-values") },
  "shaders/threefry.wgsl": { ops: ["threefry"], wider: whole("functions", "special-values") },
  "shaders/top-k.wgsl": { first: whole("top-k"), ops: ["topKIndices"] },
  "shaders/top-k-ranks.wgsl": { first: whole("top-k"), ops: ["topKIndices"] },
  "shaders/unfold.wgsl": { ops: ["unfold"], wider: whole("functions") },
};

/** Every file that faults are planted in. */
export const FILES: readonly string[] = Object.keys(WATCHES);

const CASES = readFileSync(fileURLToPath(new URL("../../test/op-cases.ts", import.meta.url)), "utf8");
const hasCase = (op: string): boolean => new RegExp(`^  ${op}: `, "m").test(CASES);

/** A few cases are enough for most faults. */
const FEW = 1 / 8;

/** The tests that see a mutant, in the order in which they are run until one fails; the cheap ones first. */
export function stagesFor({ file, op }: Pick<Mutant, "file" | "op">): Pick<Job, "tests" | "share">[] {
  const { ops = [], first = [], wider = [] } = WATCHES[file];
  const own = op !== undefined && hasCase(op) ? [op] : ops;
  const tried = own.length > 0 ? cases(...own) : [];
  // what a kernel computes as it stores
  const behind = file.endsWith(".wgsl") ? whole("epilogue") : [];
  return [{ tests: tried, share: FEW }, { tests: first }, { tests: [...wider, ...behind] }, { tests: tried }].filter(
    ({ tests }) => tests.length > 0,
  );
}
