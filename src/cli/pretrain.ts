import { basename, resolve } from "node:path";
import { cosine, linearWarmup } from "../autograd/index.ts";
import { oneLine } from "../clip/bytes.ts";
import { pretrainOptimizer, type TrainingState } from "../clip/pretrain-step.ts";
import { lockFolder } from "../coop/lock.ts";
import { writeModelFolder } from "../coop/model-folder.ts";
import { pairBatches } from "../coop/pair-batches.ts";
import { pairScorer } from "../coop/pair-scores.ts";
import { openPairs } from "../coop/pairs.ts";
import { skippedNotes } from "../coop/pairs-skipped.ts";
import { pretrainCard } from "../coop/pretrain-card.ts";
import { type EpochScores, runPretraining } from "../coop/pretrain-run.ts";
import { progress } from "../coop/progress.ts";
import { shellCommand } from "../coop/run-card.ts";
import { device, free } from "../tensor/index.ts";
import { announce } from "../tensor/runtime.ts";
import { type Command, type Input, UsageError } from "./command.ts";
import { onInterrupt, stoppedCode } from "./interrupt.ts";
import { checkOut, recipeFacts, recipeOf, resumed, settingsOf } from "./pretrain-recipe.ts";
import { startOf } from "./pretrain-start.ts";
import { print, printJson, say } from "./print.ts";
import { versions } from "./versions.ts";

export const pretrainCommand: Command = {
  summary: "Trains a CLIP on pairs of pictures and captions.",
  usage: "PAIRS... --out DIR (--model SRC | --config tiny|FILE) [flags]",
  details: `PAIRS is a .csv, .tsv or .jsonl list of pictures and captions, a folder with metadata.jsonl or metadata.csv, or .tar
archives in webdataset's form. With --model the training goes on from a model's weights, with --config it begins from
random ones; with both it begins from random ones, with the model's tokenizer.`,
  flags: {
    out: { value: "DIR", help: "folder for the model and its checkpoints, which must not exist yet or be empty" },
    model: { value: "SRC", help: "folder or address of a CLIP model to go on from" },
    config: { value: "FILE", help: "sizes to begin with from nothing: a config.json, or `tiny`" },
    images: { value: "DIR", help: "folder that picture names are relative to (default: that of the list)" },
    val: { value: "PAIRS", help: "pairs to measure loss and recall on after each epoch" },
    epochs: { value: "N", help: "passes over the pairs (default 10)" },
    batch: { value: "N", help: "pairs in a step (default 128, or all where there are fewer)" },
    "micro-batch": { value: "N", help: "pairs on the device at a time; divides the batch (default: the batch)" },
    "learning-rate": { value: "R", help: "at its height (default 5e-4 from nothing, 1e-5 from a model)" },
    warmup: { value: "N", help: "steps in which it rises (default a tenth of all, at most 2000); then a cosine" },
    "weight-decay": { value: "R", help: "of matrices and tables (default 0.2)" },
    "clip-norm": { value: "R", help: "largest norm of the gradients (default: any)" },
    checkpointing: { help: "keep only what enters each block for the gradients: less memory, more time" },
    seed: { value: "N", help: "chooses the first weights, the order and the crops (default 1)" },
    "save-every": { value: "N", help: "steps between two checkpoints (default 200)" },
    "debug-nans": { help: "computes every step op by op too and names the first whose result is not finite; slow" },
    resume: { help: "go on from the last checkpoint in --out, with the same settings" },
  },
  run: runPretrain,
};

async function runPretrain(input: Input): Promise<number> {
  const paths = input.some("PAIRS");
  const out = input.required("out");
  await checkOut(out, input.has("resume"));
  const lock = await lockFolder(out);
  return pretrainIn(out, paths, input).finally(lock.release);
}

async function pretrainIn(out: string, paths: readonly string[], input: Input): Promise<number> {
  const resume = input.has("resume");
  const seed = input.whole("seed", 1, 0);
  const saveEvery = input.whole("save-every", 200);
  const fromScratch = input.text("config") !== undefined;
  if (!fromScratch && input.text("model") === undefined)
    throw new UsageError("give --model SRC to go on from a model, or --config tiny to begin from nothing.");
  await checkOut(out, resume);
  const images = input.text("images");
  const val = input.text("val");
  const pairs = await openPairs(paths, { images });
  const held = val === undefined ? undefined : await openPairs(val, { images });
  for (const source of held ? [pairs, held] : [pairs])
    for (const note of skippedNotes(source.skipped)) say(`${source.name}: ${note}`);

  const recipe = recipeOf(input, pairs.count, fromScratch, seed);
  const { steps, epochs, batch, microBatch, learningRate, warmup, clipNorm, checkpointing } = recipe;

  announce((await device()).description);
  const start = await startOf(input, pairs.captions, seed);
  const { config, tokenizer, pixels } = start;
  say(`${pairs.count} pairs, ${steps} steps of ${batch}, beginning with ${start.description}`);
  const loading = { tokenizer, pixels, batch, microBatch };
  const said = new Set<string>();
  const sayOnce = (what: string) => (message: string) => {
    if (!said.has(message)) say(`${message} ${what}`);
    said.add(message);
  };
  const batches = pairBatches(pairs, { ...loading, seed, onDamaged: sayOnce("Another pair takes its place.") });
  const scorer = held && pairScorer(held, config, { ...loading, onDamaged: sayOnce("It is left out.") });
  const optimizer = pretrainOptimizer(config, recipe);
  const blank: TrainingState = { params: start.params, optimizer: optimizer.init(start.params) };
  const settings = settingsOf(recipe, await pairs.fingerprint(), start.identity);
  const from = resume ? await resumed(out, blank, settings) : { state: blank, step: 0 };

  const bar = progress("pretrain", steps);
  const interrupted = onInterrupt("stopping after this step, which is saved");
  const schedule = linearWarmup(warmup, cosine(learningRate, steps - warmup));
  const { state, done, last } = await runPretraining(
    {
      config,
      optimizer,
      schedule,
      steps,
      batchAt: batches.at,
      clipNorm,
      recompute: checkpointing,
      debugNans: input.has("debug-nans"),
    },
    from,
    {
      out,
      settings,
      stepsPerEpoch: batches.perEpoch,
      saveEvery,
      scorer,
      stop: interrupted.now,
      onStep: (step, loss) => bar.update(step, `loss ${loss.toFixed(3)}`),
      onEpoch: (scores) => bar.log(`epoch ${scores.epoch} of ${epochs}: ${told(scores)}`),
    },
  ).finally(interrupted.off);
  scorer?.free();
  if (done < steps) {
    bar.finish(`stopped after step ${done} of ${steps}`);
    const words = input.words.filter((word) => word !== "--resume");
    say(`go on with   ${shellCommand(["coop", ...words, "--resume"])}`);
    return stoppedCode();
  }
  const scores = last!; // the last step ends an epoch
  bar.finish(told(scores));
  const readme = pretrainCard({
    title: oneLine(basename(resolve(out))),
    command: ["coop", ...input.words],
    facts: [
      ["pairs", `${pairs.count} of ${pairs.name}`],
      ["began with", start.description],
      ...recipeFacts(recipe),
      ["last epoch", `${told(scores)}; a loss of ${Math.log(batch).toFixed(3)} is chance`],
      ...Object.entries(versions((await device()).description)),
    ],
  });
  await writeModelFolder(out, { config, params: state.params, tokenizer: tokenizer.json, pixels, readme });
  free(state);
  if (input.has("json")) {
    const { meanLoss: loss, valPairs, valLoss, valRecall } = scores;
    const measured = held && { val: { pairs: valPairs, loss: valLoss, recall: valRecall } };
    printJson({ pairs: pairs.count, skipped: pairs.skipped, steps, loss, ...measured, out });
  } else {
    print(`${told(scores)}; a loss of ${Math.log(batch).toFixed(3)} is chance`);
    print(`\nsaved ${out}\nuse   coop zero-shot PICTURE --labels a,b,c --model ${out}`);
  }
  return 0;
}

/** "loss 1.234, held out: loss 2.345, recall@1 34.5 %" */
function told({ meanLoss, valLoss, valRecall }: EpochScores): string {
  const held =
    valLoss === undefined ? "" : `, held out: loss ${valLoss.toFixed(3)}, recall@1 ${(100 * valRecall!).toFixed(1)} %`;
  return `loss ${meanLoss.toFixed(3)}${held}`;
}
