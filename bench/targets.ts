import type { CaseResult, RunResult } from "./measure.ts";
import { fastest, hasSamples, median, ratio } from "./statistics.ts";

/** What coop set out to reach, judged on the results. */
export interface Judged {
  readonly target: string;
  readonly wanted: string;
  /** Absent where it was not measured. */
  readonly got?: string;
  readonly met?: boolean;
}

const ORT_WEBGPU = "ONNX Runtime, WebGPU";

type Cases = Readonly<Record<string, CaseResult>>;

export function judge(cases: Cases): Judged[] {
  const run = (id: string, name: string): RunResult | undefined =>
    cases[id]?.runs.find((one) => one.name === name && hasSamples(one));
  const quickest = (id: string): RunResult | undefined =>
    fastest(cases[id]?.runs.filter(({ name }) => !name.startsWith("coop")) ?? []);

  const times = (target: string, least: number, id: string, ours = "coop", peer?: string): Judged => {
    const coop = run(id, ours);
    const theirs = peer ? run(id, peer) : quickest(id);
    const wanted = `≥ ${least} ×`;
    if (!coop || !theirs) return { target, wanted };
    const { median: got, least: from, most: to } = ratio(theirs, coop);
    return {
      target,
      wanted,
      got: `${got.toFixed(2)} × (${from.toFixed(2)}–${to.toFixed(2)}) against ${theirs.name}`,
      met: got >= least,
    };
  };

  const below = (target: string, most: number, unit: string, got: number | null | undefined): Judged => ({
    target,
    wanted: `≤ ${most} ${unit}`,
    ...(got !== undefined && got !== null && { got: `${got.toFixed(2)} ${unit}`, met: got <= most }),
  });

  const first = run("first-call", "coop");
  const large = run("coop-large", "coop");
  return [
    times("matrix product, float32, 1024³, against the better peer", 2.5, "matmul-1024"),
    times("text-tower step, identical work, 2 layers, against the better peer", 3, "tower-short"),
    times("text-tower step, identical work, 12 layers, against the better peer", 3, "coop-step", "coop, all rows"),
    times(
      "CoOp step as a user runs it, K = 10, M = 16, against TensorFlow.js",
      10,
      "coop-step",
      "coop",
      "TensorFlow.js",
    ),
    times("CoOp step, K = 100, M = 16, against PyTorch on the CPU", 1.5, "coop-torch"),
    below("first call, shaders compiled from scratch", 3, "s", first && median(first.samples) / 1000),
    times("steps of a tiny perceptron, against the better peer", 5, "mlp"),
    below("CoOp step, K = 1000: peak device memory", 2, "GB", large?.peakBytes && large.peakBytes / 1e9),
    times("image encoding, ViT-B/32, against ONNX Runtime on WebGPU", 1.5, "image-vit", "coop", ORT_WEBGPU),
    times("image encoding, RN50, against ONNX Runtime on WebGPU", 1.5, "image-rn50", "coop", ORT_WEBGPU),
    ...["tower-short", "coop-step", "coop-torch"].map((id) => {
      const plan = run(id, "coop")?.plan;
      return below(`planned bytes ÷ bytes alive at once, ${id}`, 1.15, "", plan && plan.planBytes / plan.liveBytes);
    }),
    ...(cases["coop-cuda"] ? [times("CoOp step, K = 1000, against PyTorch on CUDA in float16", 1, "coop-cuda")] : []),
  ];
}
