// A small training, checkpoints included, that is run on devices which fail.
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clip, makeClip } from "../src/clip/index.ts";
import { promptLearner } from "../src/coop/prompt-learner.ts";
import { runTraining } from "../src/coop/train-run.ts";
import { CoopError, DeviceError, DeviceHungError, DeviceLostError, OutOfMemoryError } from "../src/tensor/errors.ts";
import {
  type Device,
  device,
  type HostArray,
  read,
  retryOnLoss,
  type Tensor,
  tensor,
  treeMap,
} from "../src/tensor/index.ts";
import { requestGpu } from "../src/tensor/runtime.ts";
import { type Fault, type FaultyGpu, faultyGpu } from "./faulty-gpu.ts";
import { collectGarbage } from "./garbage.ts";
import { randomClip } from "./random-clip.ts";

const NAMES = ["2 3", "4 4 5", "3"];
const RECIPE = { epochs: 3, batchSize: 4, seed: 5, learningRate: 0.01 };
const COUNT = 6;
/** Seconds that a device may do nothing where it is to be found hanging. */
export const PATIENCE = 2;

const examples = {
  features: Float32Array.from({ length: COUNT * 12 }, (_, i) => Math.sin(3 * i + 1)),
  labels: Int32Array.from({ length: COUNT }, (_, i) => i % NAMES.length),
};

/** Everything that a training needs, on the host. */
export interface Ingredients {
  fresh(): Promise<Clip>;
}

/** A CLIP of random numbers that can be put on any device. */
export async function ingredients(): Promise<Ingredients> {
  const clip = await randomClip(1);
  const { params, ...rest } = clip;
  const host = await read(params);
  const onDevice = (like: Tensor, values: HostArray) => tensor(values, like.shape);
  return {
    fresh: () =>
      makeClip({ ...rest, params: treeMap(onDevice as never, params, host) } as unknown as Parameters<
        typeof makeClip
      >[0]),
  };
}

/** Trains in a folder, or goes on there; a hash of what was learned. */
export async function training({ fresh }: Ingredients, dir: string): Promise<string> {
  const clip = await fresh();
  const learner = promptLearner(clip, NAMES, { contextTokens: 2 });
  try {
    const { params } = await runTraining(learner, examples, RECIPE, { dir, settings: {}, saveEvery: 1 });
    return createHash("sha256").update(params.context).digest("hex");
  } finally {
    learner.free();
    clip.free();
  }
}

/** One instance of Dawn for all devices, each of which would keep its own. */
async function shareInstance(): Promise<void> {
  if (globalThis.navigator?.gpu) return;
  const { create, globals } = await import("webgpu");
  Object.assign(globalThis, globals);
  Object.defineProperty(globalThis, "navigator", { value: { gpu: create([]) } });
}

/** A watched device that coop runs on from now. */
export async function openFaulty(seconds?: number): Promise<{ gpu: FaultyGpu; on: Device }> {
  if (seconds) process.env.COOP_GPU_TIMEOUT = String(seconds);
  else delete process.env.COOP_GPU_TIMEOUT;
  await shareInstance();
  const gpu = faultyGpu((await requestGpu()).device);
  return { gpu, on: await device(gpu.device) };
}

/** What came of one fault. */
export interface Outcome {
  readonly fault: Fault;
  /** The call that it struck at, counted from 1, and its name. */
  readonly at: number;
  readonly call: string;
  /** The name of the error that the training ended with; undefined where it ended well all the same. */
  readonly error?: string;
  /** From the fault to the error. */
  readonly milliseconds: number;
  /** What is wrong with that; nothing where all is as promised. */
  readonly wrong: readonly string[];
}

const EXPECTED: Readonly<Record<Fault, (error: unknown) => boolean>> = {
  throw: (error) => error instanceof DeviceError,
  lost: (error) => error instanceof DeviceLostError,
  refused: (error) => error instanceof DeviceError,
  memory: (error) => error instanceof OutOfMemoryError && error.asked !== undefined && error.inUse !== undefined,
  hang: (error) => error instanceof DeviceHungError,
};

/** Strikes a training at a call, then lets it go on: on the same device where that is still good, else on a fresh one. */
export async function strike(what: Ingredients, fault: Fault, at: number, expected: string): Promise<Outcome> {
  const dir = await mkdtemp(join(tmpdir(), "coop-fault-"));
  const wrong: string[] = [];
  const { gpu, on } = await openFaulty(fault === "hang" ? PATIENCE : undefined);
  gpu.plan(fault, at);
  let stack = "";
  let [error, result] = [undefined as unknown, undefined as string | undefined];
  try {
    result = await training(what, dir);
  } catch (thrown) {
    error = thrown;
    stack = String((thrown as Error).stack ?? thrown); // until it is asked for, an error holds on to what was called
  }
  const struck = gpu.struckAt;
  const milliseconds = struck === undefined ? 0 : performance.now() - struck;
  const call = gpu.calls[Math.min(at, gpu.calls.length) - 1];
  gpu.plan(undefined);
  try {
    if (error) {
      if (!EXPECTED[fault](error)) wrong.push(`error ${stack}`);
      if (!(error instanceof CoopError)) wrong.push("the error has no name");
      if (fault === "lost" && milliseconds > 1000) wrong.push(`the error took ${milliseconds.toFixed(0)} ms`);
      // a few numbers that random keys are made of belong to nobody, and go that way
      await collectGarbage(() => on.memory().byOwner.values === 0);
      const { bytes, byOwner } = on.memory();
      if (byOwner.values + byOwner.programs > 0)
        wrong.push(`${byOwner.values} bytes of values and ${byOwner.programs} of programs are left`);
      if (gpu.bytes !== bytes) wrong.push(`the device has ${gpu.bytes} bytes of buffers, coop knows of ${bytes}`);
      if (fault === "throw" || fault === "memory") result = await training(what, dir);
      else {
        on.release();
        delete process.env.COOP_GPU_TIMEOUT;
        result = await retryOnLoss(() => training(what, dir));
      }
    }
    if (result !== expected) wrong.push("another result");
  } catch (again) {
    wrong.push(`going on: ${again instanceof Error ? (again.stack ?? again.message) : again}`);
  } finally {
    (await device()).release();
    gpu.device.destroy();
    await rm(dir, { recursive: true, force: true });
    await collectGarbage(() => false, 2); // devices are garbage too
  }
  const name = error instanceof Error ? error.name : undefined;
  return { fault, at, call, ...(name ? { error: name } : {}), milliseconds, wrong };
}
