import type { BlockSizes } from "./block.ts";
import type { ImageSizes, Tower } from "./data.ts";
import type { MlpSizes } from "./mlp.ts";
import type { EncodeSizes } from "./models.ts";
import { type CoopSizes, classTokens } from "./prompts.ts";

/** One library's part in a case. */
export interface Run {
  readonly name: string;
  readonly library: "coop" | "jax" | "tfjs" | "torch" | "ort";
  /** A file in tasks/<library>. */
  readonly task: string;
  readonly sizes: object;
  /** Rounds it takes part in; all where not given. */
  readonly rounds?: number;
}

/** The same work for several libraries. */
export interface Case {
  readonly id: string;
  readonly title: string;
  readonly runs: readonly Run[];
  /** A model that is made before. */
  readonly model?: EncodeSizes;
  /** Floating-point operations of one call, for a rate. */
  readonly flops?: number;
  /** Every sample is the first call of a fresh process that finds no compiled shaders. */
  readonly fresh?: boolean;
  /** Only with this flag. */
  readonly flag?: "large" | "hardware";
  /** Seconds that a process may take to get ready, and for a sample. */
  readonly patience?: number;
}

const PEERS = { coop: "coop", jax: "jax-js", tfjs: "TensorFlow.js" } as const;

const all = (task: string, sizes: object): Run[] =>
  (["coop", "jax", "tfjs"] as const).map((library) => ({ name: PEERS[library], library, task, sizes }));

const torch = (sizes: CoopSizes, more: object = {}): Run => ({
  name: "PyTorch",
  library: "torch",
  task: "step",
  sizes: { ...sizes, ...more, rows: classTokens(sizes.classes) },
});

const matmul = (n: number, more: Partial<Case> = {}, sizes = {}): Case => ({
  id: `matmul-${n}`,
  title: `matrix product, float32, ${n}³`,
  flops: 2 * n ** 3,
  runs: all("matmul", { n, ...sizes }),
  ...more,
});

/** The image tower of a model with coop's own loader, beside ONNX Runtime. */
const encode = (id: string, model: string, batch: number): Case => {
  const sizes: EncodeSizes = { model, batch };
  const ort = (provider: "webgpu" | "cpu"): Run => ({
    name: `ONNX Runtime, ${provider === "cpu" ? "CPU" : "WebGPU"}`,
    library: "ort",
    task: "encode",
    sizes: { ...sizes, provider },
  });
  return {
    id,
    title: `image encoding with ${model}, ${batch} pictures, beside ONNX Runtime`,
    model: sizes,
    runs: [{ name: "coop", library: "coop", task: "encode", sizes }, ort("webgpu"), ort("cpu")],
  };
};

const VIT_TEXT: Tower = { layers: 12, width: 512, heads: 8 };
const TINY: Tower = { layers: 1, width: 32, heads: 2 };

/** Everything that is measured; `quick` shrinks the sizes to try the machinery out. */
export function cases(quick: boolean): Case[] {
  const tower = quick ? TINY : VIT_TEXT;
  const two: Tower = { ...tower, layers: quick ? 1 : 2 };
  const few = quick ? { classes: 3, contextTokens: 2, batch: 4 } : { classes: 10, contextTokens: 16, batch: 32 };
  const step: CoopSizes = { ...tower, ...few };
  const short: CoopSizes = { ...two, ...few };
  const hundred: CoopSizes = { ...step, classes: quick ? 12 : 100 };
  const thousand: CoopSizes = { ...step, classes: quick ? 20 : 1000 };
  const block: BlockSizes = quick ? { ...tower, batch: 2, length: 5 } : { ...tower, batch: 4, length: 77 };
  const image: ImageSizes = quick
    ? { layers: 1, width: 32, heads: 2, image: 32, patch: 16, batch: 2 }
    : { layers: 12, width: 768, heads: 12, image: 224, patch: 32, batch: 8 };
  const mlp: MlpSizes = { layers: 2, width: 16, batch: 16, rate: 0.1 };
  const learner = (sizes: CoopSizes): Run => ({ name: "coop", library: "coop", task: "learner", sizes });
  const [coop, ...peers] = all("step", step);
  const about = ({ classes, contextTokens, layers, width }: CoopSizes) =>
    `K = ${classes}, M = ${contextTokens}, ${layers} layers of width ${width}`;
  return [
    ...(quick ? [64] : [256, 512, 1024, 2048]).map((n) => matmul(n)),
    {
      id: "block",
      title: `transformer block, forward and backward, [${block.batch}, ${block.length}, ${block.width}]`,
      runs: all("block", block),
    },
    {
      id: "tower-short",
      title: `text-tower step, all rows, cut behind the longest prompt: ${about(short)}`,
      runs: all("step", short),
    },
    {
      id: "coop-step",
      title: `CoOp step: ${about(step)}`,
      runs: [{ ...coop, name: "coop, all rows" }, learner(step), ...peers],
    },
    {
      id: "coop-torch",
      title: `CoOp step beside PyTorch: ${about(hundred)}`,
      runs: [learner(hundred), torch(hundred)],
    },
    {
      id: "image",
      title: `image encoding, ${image.layers} layers of width ${image.width}, ${image.batch} pictures of ${image.image}²`,
      runs: all("image", image),
    },
    encode("image-vit", quick ? "tiny-vit" : "ViT-B/32", quick ? 2 : 8),
    encode("image-rn50", quick ? "tiny-rn" : "RN50", quick ? 2 : 8),
    { id: "mlp", title: "step of a perceptron, 2 layers of 16, batch 16", runs: all("mlp", mlp) },
    {
      id: "first-call",
      title: `first call of the text-tower step, shaders compiled from scratch: ${about(short)}`,
      fresh: true,
      runs: all("step", short).map((run) => ({ ...run, rounds: run.library === "jax" ? 1 : 3 })),
    },
    {
      id: "coop-large",
      title: `CoOp step, first call: ${about(thousand)}`,
      fresh: true,
      flag: "large",
      patience: 3600,
      runs: [{ ...learner(thousand), rounds: 1 }],
    },
    matmul(quick ? 96 : 4096, { flag: "hardware" }),
    matmul(quick ? 96 : 4096, {
      id: "matmul-half",
      title: `matrix product, float16, ${quick ? 96 : 4096}³`,
      flag: "hardware",
      runs: all("matmul", { n: quick ? 96 : 4096, half: true }).slice(0, 2),
    }),
    {
      id: "coop-cuda",
      title: `CoOp step in float32 beside PyTorch in float16 on CUDA: ${about(thousand)}`,
      flag: "hardware",
      runs: [learner(thousand), torch(thousand, { cuda: true })],
    },
  ];
}
