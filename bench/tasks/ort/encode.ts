import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { type EncodeSizes, onnxFile, pixels } from "../../models.ts";
import type { MakeWork } from "../../work-type.ts";

/** ONNX Runtime on the tower that onnx/export.ts writes: shapes are fixed and all optimisations are on. */
export const make: MakeWork<EncodeSizes> = async (sizes) => {
  const { provider = "webgpu" } = sizes;
  const session = await InferenceSession.create(onnxFile(sizes), {
    executionProviders: [provider],
    graphOptimizationLevel: "all",
  });
  const [input] = session.inputMetadata;
  if (!input.isTensor) throw new Error("the first input is no tensor");
  const shape = input.shape as number[];
  const images = new Tensor("float32", pixels(sizes, shape[3]), shape);
  let features: Float32Array;
  return {
    call: async () => {
      const { [session.outputNames[0]]: output } = await session.run({ images });
      features = output.data as Float32Array;
    },
    value: async () => features[0],
    output: () => features,
    adapter: provider === "cpu" ? "the CPU" : adapterInUse(),
  };
};

/** ONNX Runtime does not say which adapter it took, but the threads of Mesa's CPU driver are named for it. */
function adapterInUse(): string {
  const threads = "/proc/self/task";
  const names = existsSync(threads)
    ? readdirSync(threads).map((id) => readFileSync(join(threads, id, "comm"), "utf8"))
    : [];
  return names.some((name) => name.startsWith("llvmpipe")) ? "llvmpipe" : "the adapter that it takes by itself";
}
