import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { oneLine } from "../clip/bytes.ts";
import { checkRunFolder } from "../coop/atomic.ts";
import { LOCK } from "../coop/lock.ts";
import { batchesPerEpoch } from "../coop/schedule.ts";
import { CHECKPOINT, loadTraining, type SavedTraining, type Settings } from "../coop/training-state.ts";
import { InputError } from "../tensor/errors.ts";
import { free } from "../tensor/index.ts";
import type { Input } from "./command.ts";
import { say } from "./print.ts";

/** How a pre-training goes. */
export interface Recipe {
  readonly epochs: number;
  readonly steps: number;
  readonly batch: number;
  readonly microBatch: number;
  readonly learningRate: number;
  /** Steps in which the learning rate rises. */
  readonly warmup: number;
  readonly weightDecay: number;
  readonly clipNorm?: number;
  readonly checkpointing: boolean;
  readonly seed: number;
}

const DEFAULT_BATCH = 128;
/** CLIP's warm-up (Radford et al., arXiv 2103.00020, table 18), and the share of a short training that is enough. */
const WARMUP = 2000;
const WARMUP_SHARE = 0.1;

/** The recipe that the flags ask for. InputError where they do not fit one another or the number of pairs. */
export function recipeOf(input: Input, pairs: number, fromScratch: boolean, seed: number): Recipe {
  const batch = input.whole("batch", Math.min(DEFAULT_BATCH, pairs), 2);
  if (batch > pairs)
    throw new InputError(`--batch is ${batch}, but there are only ${pairs} pairs; give ${pairs} or less`);
  const microBatch = input.whole("micro-batch", batch);
  if (batch % microBatch !== 0)
    throw new InputError(`--micro-batch is ${microBatch}, which does not divide --batch ${batch}`);
  const epochs = input.whole("epochs", 10);
  const steps = epochs * batchesPerEpoch(pairs, batch);
  const warmup = input.whole("warmup", Math.min(WARMUP, Math.floor(WARMUP_SHARE * steps)), 0);
  if (warmup >= steps) throw new InputError(`--warmup is ${warmup}, but there are only ${steps} steps`);
  return {
    epochs,
    steps,
    batch,
    microBatch,
    learningRate: input.positive("learning-rate", fromScratch ? 5e-4 : 1e-5),
    warmup,
    weightDecay: input.text("weight-decay") === "0" ? 0 : input.positive("weight-decay", 0.2),
    clipNorm: input.text("clip-norm") === undefined ? undefined : input.positive("clip-norm", 1),
    checkpointing: input.has("checkpointing"),
    seed,
  };
}

/** Settings and how they are called, for the checkpoint and for the model's card. */
export const recipeFacts = (recipe: Recipe): [name: string, value: string][] => [
  ["epochs", `${recipe.epochs}`],
  ["batch", `${recipe.batch}`],
  ["micro-batch", `${recipe.microBatch}`],
  ["learning-rate", `${recipe.learningRate}`],
  ["warmup", `${recipe.warmup}`],
  ["weight-decay", `${recipe.weightDecay}`],
  ["clip-norm", `${recipe.clipNorm ?? "none"}`],
  ["checkpointing", `${recipe.checkpointing}`],
  ["seed", `${recipe.seed}`],
];

/** What a checkpoint must agree on to be gone on from. */
export const settingsOf = (recipe: Recipe, pairs: string, start: string): Settings =>
  Object.fromEntries([...recipeFacts(recipe), ["pairs", pairs], ["start", start]]);

/** What a training that was killed before its first checkpoint leaves: nothing that could be gone on from. */
const UNSAVED = new RegExp(`${LOCK.source}|^(metrics\\.jsonl|checkpoint\\.next\\.safetensors)(\\.tmp-.*)?$`);

/** InputError where the folder for a training holds anything, or, to go on there, no checkpoint. */
export async function checkOut(out: string, resume: boolean): Promise<void> {
  const holds = await readdir(out).catch(() => []);
  const found = holds.some((name) => name.startsWith("checkpoint.") && name.endsWith(".safetensors"));
  if (resume && !found) throw new InputError(`${oneLine(out)}: there is no checkpoint in it to go on from`);
  if (!resume && found)
    throw new InputError(`${oneLine(out)} holds a training. Go on with it by --resume, or choose another --out.`);
  if (!resume) await checkRunFolder(out, UNSAVED);
}

/** The state of the last checkpoint that is whole, in place of the one to begin with. */
export async function resumed<State>(out: string, blank: State, settings: Settings): Promise<SavedTraining<State>> {
  const saved = await loadTraining(join(out, CHECKPOINT), blank, settings);
  if (!saved) throw new InputError(`${oneLine(out)}: there is no checkpoint in it to go on from`);
  free(blank);
  say(`going on after step ${saved.step} of ${oneLine(saved.file)}`);
  return saved;
}
