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

interface Watch {
  /** Ops whose cases are run where the mutant belongs to no op, or to one that has no case. */
  readonly ops?: readonly string[];
  /** Other tests that are run at once. */
  readonly first?: Tests;
  /** What is run where those notice nothing. */
  readonly then?: Tests;
}

const rows = ["softmax", "logSumExp", "standardize", "layerNormGrad", "layerNorm", "l2Normalize", "l2NormalizeGrad"];
const attention = ["attention", "attentionLogSum", "attentionGradQuery", "attentionGradKey", "attentionGradValue"];
const views = ["reshape", "broadcastTo", "transpose", "slice", "pad", "flip"];
const AGAIN = whole("functions", "special-values", "autograd");

/** What can see a fault in a file. */
const WATCHES: Readonly<Record<string, Watch>> = {
  "src/tensor/shape.ts": { ops: ["add", "sum", ...views], then: AGAIN },
  "src/tensor/ops/attention.ts": { ops: attention, then: whole("functions", "packing") },
  "src/tensor/ops/attention-kernels.ts": { ops: attention },
  "src/tensor/ops/attention-pattern.ts": {
    ops: attention,
    first: some("functions", "ttention"),
    then: whole("packing"),
  },
  "src/tensor/ops/basic.ts": { ops: ["add", "where", "literal", "iota"], first: whole("functions"), then: AGAIN },
  "src/tensor/ops/conv.ts": { ops: ["conv2d"], first: whole("conv"), then: whole("functions", "resnet") },
  "src/tensor/ops/elementwise.ts": { ops: ["add", "mul", "less", "maximum", "cast", "where"], then: AGAIN },
  "src/tensor/ops/gather.ts": {
    ops: ["gather", "scatterAdd", "segmentSum"],
    then: whole("functions", "special-values"),
  },
  "src/tensor/ops/lanes.ts": { ops: ["softmax", "layerNormGrad", "attention"] },
  "src/tensor/ops/loss.ts": { ops: ["crossEntropy"], then: whole("functions", "special-values") },
  "src/tensor/ops/matmul.ts": { ops: ["matmul"], first: whole("matmul"), then: whole("functions", "epilogue") },
  "src/tensor/ops/reduce.ts": { ops: ["sum", "max", "min"], then: AGAIN },
  "src/tensor/ops/resample.ts": { ops: ["resample"], then: whole("augment") },
  "src/tensor/ops/rows.ts": { ops: rows, then: AGAIN },
  "src/tensor/ops/top-k.ts": { ops: ["topKIndices", "orderKey"], first: whole("top-k"), then: whole("special-values") },
  "src/tensor/ops/view.ts": { ops: views, then: AGAIN },
  "src/tensor/ops/window.ts": { ops: ["unfold", "fold", "conv2d"], then: whole("functions", "resnet") },
  "src/autograd/backward.ts": { first: whole("autograd"), then: whole("programs") },
  "src/autograd/grad.ts": { first: whole("autograd"), then: whole("programs") },
  "src/autograd/check.ts": { first: [...whole("autograd", "custom-op"), ...some("ops", "^(tanh|matmul) > ")] },
  "src/autograd/check-op.ts": { first: whole("custom-op") },
  "src/autograd/descend.ts": { first: whole("lbfgs"), then: whole("linear-probe") },
  "src/autograd/lbfgs.ts": { first: whole("lbfgs"), then: whole("linear-probe") },
  "src/autograd/line-search.ts": { first: whole("lbfgs"), then: whole("linear-probe") },
  "src/autograd/optimizers.ts": { first: whole("optimizers"), then: whole("train-fit") },
  "src/autograd/schedules.ts": { first: whole("optimizers", "schedule") },
  "shaders/attention.wgsl": { ops: ["attention"], then: whole("packing") },
  "shaders/attention-log-sum.wgsl": { ops: ["attentionLogSum", "attention"], then: whole("packing") },
  "shaders/attention-grad-query.wgsl": { ops: ["attentionGradQuery", "attention"], then: whole("packing") },
  "shaders/attention-grad-key.wgsl": { ops: ["attentionGradKey", "attention"], then: whole("packing") },
  "shaders/attention-grad-value.wgsl": { ops: ["attentionGradValue", "attention"], then: whole("packing") },
  "shaders/conv2d.wgsl": { first: whole("conv"), ops: ["conv2d"] },
  "shaders/conv2d-lanes.wgsl": { first: whole("conv"), ops: ["conv2d"] },
  "shaders/cross-entropy.wgsl": { ops: ["crossEntropy"], then: whole("special-values") },
  "shaders/fold.wgsl": { ops: ["fold"] },
  "shaders/gather.wgsl": { ops: ["gather"], then: whole("functions") },
  "shaders/l2-normalize.wgsl": { ops: ["l2Normalize"], then: whole("special-values") },
  "shaders/l2-normalize-grad.wgsl": { ops: ["l2NormalizeGrad"], then: whole("special-values") },
  "shaders/layer-norm-grad.wgsl": { ops: ["layerNormGrad"], then: whole("special-values") },
  "shaders/log-sum-exp.wgsl": { ops: ["logSumExp"], then: whole("special-values") },
  "shaders/matmul.wgsl": { first: whole("matmul"), then: whole("epilogue") },
  "shaders/matmul-lanes.wgsl": { first: whole("matmul"), then: whole("epilogue") },
  "shaders/matmul-small.wgsl": { first: whole("matmul"), then: whole("epilogue") },
  "shaders/matmul-tiles.wgsl": { first: whole("matmul"), then: whole("epilogue") },
  "shaders/resample.wgsl": { ops: ["resample"], then: whole("augment") },
  "shaders/scatter-add.wgsl": { ops: ["scatterAdd"], then: whole("functions") },
  "shaders/segment-sum.wgsl": { ops: ["segmentSum"], then: whole("functions") },
  "shaders/softmax.wgsl": { ops: ["softmax"], then: whole("special-values") },
  "shaders/standardize.wgsl": { ops: ["standardize"], then: whole("special-values") },
  "shaders/threefry.wgsl": { ops: ["threefry"], then: whole("functions", "special-values") },
  "shaders/top-k.wgsl": { first: whole("top-k"), ops: ["topKIndices"] },
  "shaders/top-k-ranks.wgsl": { first: whole("top-k"), ops: ["topKIndices"] },
  "shaders/unfold.wgsl": { ops: ["unfold"], then: whole("functions") },
};

/** Every file that faults are planted in. */
export const FILES: readonly string[] = Object.keys(WATCHES);

const CASES = readFileSync(fileURLToPath(new URL("../../test/op-cases.ts", import.meta.url)), "utf8");
const hasCase = (op: string): boolean => new RegExp(`^  ${op}: `, "m").test(CASES);

/** The tests that see a mutant, in the order in which they are run; the second list where the first notices nothing. */
export function testsFor({ file, op }: Pick<Mutant, "file" | "op">): [Tests, Tests] {
  const { ops = [], first = [], then = [] } = WATCHES[file];
  const own = op !== undefined && hasCase(op) ? [op] : ops;
  return [[...(own.length > 0 ? cases(...own) : []), ...first], then];
}
