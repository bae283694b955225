import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { oneLine } from "../clip/bytes.ts";
import { fillTemplate, templatesFor } from "../clip/index.ts";
import { checkRunFolder } from "../coop/atomic.ts";
import { dataName, templateFor } from "../coop/datasets/open.ts";
import { METHODS, type MethodName } from "../coop/methods.ts";
import type { PromptLearnerOptions } from "../coop/prompt-learner.ts";
import { OPTIMIZERS, POSITIONS, type RunConfig } from "../coop/run-config.ts";
import { COOP_RECIPE, epochsForShots } from "../coop/schedule.ts";
import type { Augmentation } from "../coop/views.ts";
import { InputError } from "../tensor/errors.ts";
import { templatesOf } from "./asking.ts";
import { type Input, UsageError } from "./command.ts";
import { augmentationOf } from "./views.ts";

/** Of CoCoOp, as published. */
const COCOOP_EPOCHS = 10;

/** What a training is asked to be. */
export interface Plan {
  /** The folder of pictures. */
  readonly dir: string;
  /** One for each seed, with the folder that it writes. */
  readonly runs: readonly { readonly seed: number; readonly out: string }[];
  /** The folder of them all: the run's own where there is one seed. */
  readonly out: string;
  readonly several: boolean;
  readonly resume: boolean;
  readonly method: MethodName;
  readonly options: PromptLearnerOptions;
  readonly recipe: Omit<RunConfig["recipe"], "seed" | "augmentation">;
  readonly augmentation: Omit<Augmentation, "seed">;
  /** Of the zero-shot row. */
  readonly templates: readonly string[];
  /** Of the ensemble's row, where there is one. */
  readonly ensemble?: readonly string[];
  readonly probe: boolean;
  readonly saveEvery?: number;
  readonly debugNans: boolean;
}

/** What the flags ask for. InputError where one is no such value, UsageError where two exclude each other. */
export async function planOf(input: Input): Promise<Plan> {
  const dir = input.only("DIR");
  const shots = input.whole("shots", 16);
  const several = input.text("seeds") !== undefined;
  if (several && input.text("seed") !== undefined) throw new UsageError("--seed and --seeds exclude each other.");
  const resumed = input.text("resume");
  if (resumed !== undefined && resolve(input.text("out") ?? resumed) !== resolve(resumed))
    throw new UsageError("--out and --resume name two folders.");
  const method = input.choice("method", METHODS);
  checkMethod(input, method);
  const out = resumed ?? input.text("out") ?? defaultOut(await dataName(dir), shots);
  return {
    dir,
    runs: several
      ? Array.from({ length: input.whole("seeds", 3) }, (_, i) => ({ seed: i + 1, out: join(out, `seed-${i + 1}`) }))
      : [{ seed: input.whole("seed", 1, 0), out }],
    out,
    several,
    resume: resumed !== undefined,
    method,
    options: optionsOf(input, method),
    recipe: {
      shots,
      ...(method === "coop" ? {} : { method }),
      epochs: input.whole("epochs", method === "cocoop" ? COCOOP_EPOCHS : epochsForShots(shots)),
      batchSize: input.whole("batch-size", method === "cocoop" ? 1 : COOP_RECIPE.batchSize),
      learningRate: input.positive("learning-rate", COOP_RECIPE.learningRate),
      warmupLearningRate: COOP_RECIPE.warmupLearningRate,
      optimizer: input.choice("optimizer", OPTIMIZERS),
      momentum: COOP_RECIPE.momentum,
      weightDecay: input.fraction("weight-decay", COOP_RECIPE.weightDecay),
      labelSmoothing: input.fraction("label-smoothing", 0, 1),
      ...(input.text("clip-norm") === undefined ? {} : { maxGradientNorm: input.positive("clip-norm", 10) }),
      ...(input.text("early-stopping") === undefined ? {} : { patience: input.whole("early-stopping", 20) }),
    },
    augmentation: augmentationOf(input),
    templates: writtenTemplates(input, dir),
    ensemble: input.has("ensemble") ? templatesOf(input) : undefined,
    probe: input.has("probe"),
    saveEvery: input.text("save-every") === undefined ? undefined : input.whole("save-every", 10),
    debugNans: input.has("debug-nans"),
  };
}

/** InputError where the folder of several runs holds something else, or, to go on there, none of them. */
export async function checkSeeds({ out, resume, several }: Plan): Promise<void> {
  if (!several) return;
  const begun = (await readdir(out).catch(() => [])).some((name) => name.startsWith("seed-"));
  if (resume && !begun)
    throw new InputError(`${oneLine(out)}: there is no training with --seeds to go on with. Begin one with --out.`);
  if (!resume && begun)
    throw new InputError(
      `${oneLine(out)} holds a training. Go on with it by --resume ${oneLine(out)}, or choose another --out.`,
    );
  if (!resume) await checkRunFolder(out);
}

/** The command without what says where it writes, and then that. */
export function commandFor(input: Input, ...where: readonly string[]): string[] {
  const words = input.words.filter(
    (word, i, all) => !/^--(out|resume)(=|$)/.test(word) && !/^--(out|resume)$/.test(all[i - 1] ?? ""),
  );
  return ["coop", ...words, ...where];
}

/** UsageError where a flag would change a method into another. */
function checkMethod(input: Input, method: MethodName): void {
  if (method === "cocoop" && input.has("class-specific"))
    throw new UsageError("--class-specific is CoOp's: CoCoOp has one context for all classes.");
  if ((method === "kgcoop" || method === "prograd") && input.fraction("label-smoothing", 0, 1) > 0)
    throw new UsageError(`--label-smoothing is another loss than that of --method ${method}; leave one of them out.`);
}

function optionsOf(input: Input, method: MethodName): PromptLearnerOptions {
  const published = method === "cocoop" && input.text("context-tokens") === undefined ? "a photo of a" : undefined;
  const initText = input.text("init") ?? published;
  if (initText !== undefined && input.text("context-tokens") !== undefined)
    throw new UsageError("--init says how many vectors there are: leave --context-tokens out.");
  if (initText?.trim() === "") throw new InputError('--init is empty; give words, such as --init "a photo of a"');
  const shape = { position: input.choice("position", POSITIONS), classSpecific: input.has("class-specific") };
  return initText === undefined
    ? { ...shape, contextTokens: input.whole("context-tokens", 16) }
    : { ...shape, initText };
}

function writtenTemplates(input: Input, dir: string): string[] {
  const given = [...new Set(input.texts("template"))];
  for (const template of given) fillTemplate(template, []);
  if (given.length > 0) return given;
  const dataset = input.text("dataset");
  return dataset === undefined ? [templateFor(dir)] : templatesFor(dataset);
}

function defaultOut(name: string, shots: number): string {
  const time = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
  return `runs/${time}-${name.replaceAll(/[^\w-]+/g, "-")}-${shots}shots`;
}
