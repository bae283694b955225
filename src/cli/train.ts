import { rmdir } from "node:fs/promises";
import { DEFAULT_TEMPLATE } from "../clip/index.ts";
import { openData } from "../coop/datasets/open.ts";
import { fewShotSplits, shotsAndValidation } from "../coop/few-shot.ts";
import type { Folder, Item } from "../coop/folder.ts";
import { methodLearner } from "../coop/methods.ts";
import { shellCommand } from "../coop/run-card.ts";
import { type RunPlace, takeRunPlace } from "../coop/run-place.ts";
import { COOP_RECIPE } from "../coop/schedule.ts";
import { InputError } from "../tensor/errors.ts";
import { device, retryOnLoss, tensor } from "../tensor/index.ts";
import { TEMPLATE_FLAGS } from "./asking.ts";
import type { Command, Input } from "./command.ts";
import { MODEL_FLAG } from "./command.ts";
import { stoppedCode } from "./interrupt.ts";
import { type EncodedItems, encodeItems } from "./labelled-features.ts";
import { encodeClasses, modelName, openModel, pathsOf, unknownNames } from "./model.ts";
import { say } from "./print.ts";
import { validationFrom } from "./probe-choice.ts";
import { checkSeeds, commandFor, type Plan, planOf } from "./train-plan.ts";
import { printRuns } from "./train-results.ts";
import { type Draw, trainSeed } from "./train-seed.ts";
import type { Run } from "./train-settings.ts";
import { AUGMENT_FLAGS } from "./views.ts";

export const train: Command = {
  summary: "Learns a prompt from a folder of pictures and compares it with the hand-written one.",
  usage: "DIR [flags]",
  details: `DIR holds one folder of pictures per class, or train/ and test/ with such folders. Folder names, underscores as
spaces, are the class names. Without test/, half of each class is held out. DIR may also be a dataset of the CoOp papers,
\`eurosat:ROOT\` (see \`coop datasets\`), a split_zhou_*.json, or a .csv or .jsonl list with image, label and perhaps split.
While it learns, OUT.partial holds a checkpoint: --resume OUT goes on from it.`,
  flags: {
    model: MODEL_FLAG,
    method: { value: "NAME", help: "coop, cocoop, kgcoop or prograd (default coop)" },
    shots: { value: "N", help: "pictures of each class to learn from (default 16)" },
    "context-tokens": { value: "M", help: "vectors to learn (default 16)" },
    position: { value: "WHERE", help: "of the class name among them: end, middle or front (default end)" },
    "class-specific": { help: "learns a context for each class instead of one for all" },
    init: { value: "WORDS", help: 'what the context begins as, such as "a photo of a" (default: random numbers)' },
    epochs: {
      value: "N",
      help: "passes over the shots (default: 50 for 1 shot, 100 up to 7, 200 from 8; CoCoOp 10)",
    },
    "batch-size": { value: "N", help: `(default ${COOP_RECIPE.batchSize}; CoCoOp 1)` },
    ...AUGMENT_FLAGS,
    optimizer: { value: "NAME", help: "sgd or adamw (default sgd)" },
    "learning-rate": { value: "R", help: `at its height (default ${COOP_RECIPE.learningRate})` },
    "weight-decay": { value: "R", help: `(default ${COOP_RECIPE.weightDecay})` },
    "clip-norm": { value: "R", help: "largest norm of the gradient; none where not given" },
    "label-smoothing": { value: "R", help: "share of the target spread over all classes (default 0)" },
    "early-stopping": {
      value: "[N]",
      otherwise: "20",
      help: "keeps the epoch that is best on validation pictures; ends after N epochs without a better one (default 20)",
    },
    seed: { value: "N", help: "chooses the shots, the order and the first context (default 1)" },
    seeds: { value: "N", help: "trains with the seeds 1 to N, for mean and deviation" },
    template: {
      ...TEMPLATE_FLAGS.template,
      help: `hand-written prompt to compare with (default: the dataset's, or "${DEFAULT_TEMPLATE}")`,
    },
    dataset: TEMPLATE_FLAGS.dataset,
    ensemble: { help: "compares with the ensemble of CLIP's seven templates, and the dataset's, too" },
    probe: { help: "compares with a linear probe of the same shots too" },
    out: { value: "DIR", help: "folder to write, which must not exist yet (default: a new one under runs/)" },
    resume: { value: "OUT", help: "goes on with the training that was cut short there; all else as it was given then" },
    "save-every": { value: "N", help: "epochs between two checkpoints (default: 5 seconds)" },
    "debug-nans": { help: "computes every step op by op too and names the first whose result is not finite; slow" },
  },
  run: runTrain,
};

async function runTrain(input: Input): Promise<number> {
  const plan = await planOf(input);
  await checkSeeds(plan);
  const onLoss = ({ message }: Error) => say(`${message}\nThe training goes on on a fresh device.`);
  return retryOnLoss((attempt) => runOnDevice(input, plan, attempt), { onLoss });
}

/** Trains on a device of its own: all that it needs is loaded anew, and what an earlier attempt saved is gone on from. */
async function runOnDevice(input: Input, plan: Plan, attempt: number): Promise<number> {
  const resume = attempt > 1 || (plan.resume && plan.several) ? "any" : plan.resume;
  const places: RunPlace[] = [];
  try {
    for (const { out } of plan.runs) places.push(await takeRunPlace(out, resume));
    return await runAll(input, plan, places);
  } finally {
    for (const place of places) await place.release();
    if (plan.several) await rmdir(plan.out).catch(() => {}); // it stays where there is anything in it
  }
}

async function runAll(input: Input, plan: Plan, places: readonly RunPlace[]): Promise<number> {
  const draws: Draw[] = [];
  for (const { seed } of plan.runs) draws.push(await drawOf(plan, seed));
  const [{ folder }] = draws;
  const { classNames } = folder;
  const clip = await openModel(input.text("model"));
  const handWritten = await encodeClasses(clip, classNames, plan.templates);
  const written = tensor(handWritten, [classNames.length, clip.config.embedDim]);
  const learner = methodLearner(plan.method, clip, classNames, plan.options, written);
  const unknown = unknownNames(clip, classNames);
  const notesOf = ({ folder, picked }: Draw) => [
    ...folder.notes,
    ...fewerShots(classNames, picked.train, plan.recipe.shots),
    ...unknown,
  ];
  for (const note of notesOf(draws[0])) say(note);

  const known = new Map<string, EncodedItems>(); // several seeds may hold out the same pictures
  const encode = async ({ root }: Folder, items: readonly Item[], name: string): Promise<EncodedItems> => {
    const list = [name, ...pathsOf(root, items)].join("\n");
    const encoded = known.get(list) ?? (await encodeItems(clip, root, items, name));
    known.set(list, encoded);
    return encoded;
  };
  const session = {
    ...{ plan, clip, learner, encode, handWritten },
    modelName: modelName(input.text("model")),
    device: (await device()).description,
    command: plan.resume ? commandFor(input, "--out", plan.out) : ["coop", ...input.words],
  };
  const runs: Run[] = [];
  try {
    for (const [i, draw] of draws.entries()) {
      const run = await trainSeed(session, draw, places[i], plan.runs[i].out, notesOf(draw));
      if (!run) {
        say(`go on with   ${shellCommand(commandFor(input, "--resume", plan.out))}`);
        return stoppedCode();
      }
      await places[i].release(true);
      runs.push(run);
    }
  } finally {
    written.free();
    clip.free();
  }
  printRuns(input, plan, runs);
  return 0;
}

/** The pictures of a seed; validation pictures beyond those of val/ only where something is chosen by them. */
async function drawOf({ dir, recipe, probe }: Plan, seed: number): Promise<Draw> {
  const { shots, patience } = recipe;
  const folder = await openData(dir, { seed, toLearn: true });
  if (patience === undefined && !probe)
    return { seed, folder, picked: fewShotSplits(folder, shots, seed), from: folder.val.length > 0 ? "val" : "none" };
  const { train, val } = shotsAndValidation(folder, shots, Math.min(shots, 4), seed);
  const from = validationFrom(folder, train, val);
  const enough = from === "val" || from === "train";
  if (patience !== undefined && !enough)
    throw new InputError(
      `--early-stopping needs validation pictures, but not every class has one left beside ${shots} shots. Add a folder val, or take fewer --shots.`,
    );
  return { seed, folder, picked: { train, val: enough ? val : [] }, from };
}

/** Says which classes have fewer pictures to learn from than were asked for. */
export function fewerShots(
  classNames: readonly string[],
  shown: readonly { label: number }[],
  shots: number,
): string[] {
  const counts = new Array<number>(classNames.length).fill(0);
  for (const { label } of shown) counts[label]++;
  const few = classNames.flatMap((name, label) => (counts[label] < shots ? [`${name} (${counts[label]})`] : []));
  if (few.length === 0) return [];
  const named = few.slice(0, 5).join(", ") + (few.length > 5 ? ` and ${few.length - 5} more` : "");
  return [`Fewer than ${shots} pictures to learn from, all are used: ${named}.`];
}
