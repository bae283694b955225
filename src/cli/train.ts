import { DEFAULT_TEMPLATE } from "../clip/index.ts";
import { checkRunFolder, writeRunFolder } from "../coop/atomic.ts";
import { dataName, openData, templateFor } from "../coop/datasets/open.ts";
import { fewShotSplits } from "../coop/few-shot.ts";
import { fitPrompt } from "../coop/fit.ts";
import { confusionOf, promptFeatures } from "../coop/predict.ts";
import { formatTable, progress } from "../coop/progress.ts";
import { promptLearner } from "../coop/prompt-learner.ts";
import { reportHtml } from "../coop/report.ts";
import { runCard } from "../coop/run-card.ts";
import type { RunConfig } from "../coop/run-config.ts";
import { type EpochMetrics, runFiles } from "../coop/run-files.ts";
import { COOP_RECIPE, epochsForShots } from "../coop/schedule.ts";
import { accuracy, overall, percent } from "../coop/score.ts";
import { device } from "../tensor/index.ts";
import type { Command, Input } from "./command.ts";
import { MODEL_FLAG } from "./command.ts";
import { onInterrupt } from "./interrupt.ts";
import { encodeClasses, encodePictures, modelName, openModel, pathsOf, unknownNames } from "./model.ts";
import { versions } from "./versions.ts";

/** Held-out accuracy is asked this often during a training, for the report's curve. */
const CURVE_POINTS = 10;

export const train: Command = {
  summary: "Learns a prompt from a folder of pictures and compares it with the hand-written one.",
  usage: "DIR [flags]",
  details: `DIR holds one folder of pictures per class, or train/ and test/ with such folders. Folder names, underscores as
spaces, are the class names. Without test/, half of each class is held out. DIR may also be a dataset of the CoOp papers,
\`eurosat:ROOT\` (see \`coop datasets\`), a split_zhou_*.json, or a .csv or .jsonl list with image, label and perhaps split.`,
  flags: {
    model: MODEL_FLAG,
    shots: { value: "N", help: "pictures of each class to learn from (default 16)" },
    "context-tokens": { value: "M", help: "vectors to learn (default 16)" },
    epochs: { value: "N", help: "passes over the shots (default: 50 for 1 shot, 100 up to 7, 200 from 8)" },
    "learning-rate": { value: "R", help: `of SGD (default ${COOP_RECIPE.learningRate})` },
    "batch-size": { value: "N", help: `(default ${COOP_RECIPE.batchSize})` },
    seed: { value: "N", help: "chooses the shots, the order and the first context (default 1)" },
    template: { value: "T", help: `hand-written prompt to compare with (default "${DEFAULT_TEMPLATE}")` },
    out: { value: "DIR", help: "folder to write, which must not exist yet (default: a new one under runs/)" },
  },
  run: runTrain,
};

async function runTrain(input: Input): Promise<number> {
  const dir = input.only("DIR");
  const shots = input.whole("shots", 16);
  const seed = input.whole("seed", 1, 0);
  const options = { contextTokens: input.whole("context-tokens", 16) };
  const recipe = {
    shots,
    epochs: input.whole("epochs", epochsForShots(shots)),
    batchSize: input.whole("batch-size", COOP_RECIPE.batchSize),
    learningRate: input.positive("learning-rate", COOP_RECIPE.learningRate),
    warmupLearningRate: COOP_RECIPE.warmupLearningRate,
    momentum: COOP_RECIPE.momentum,
    weightDecay: COOP_RECIPE.weightDecay,
    seed,
    augmentation: "none",
  };
  const template = input.text("template") ?? templateFor(dir);
  const out = input.text("out") ?? defaultOut(await dataName(dir), shots);
  await checkRunFolder(out);
  const folder = await openData(dir, { seed, toLearn: true });
  const { classNames } = folder;
  const picked = fewShotSplits(folder, shots, seed);
  const clip = await openModel(input.text("model"));
  const notes = [...folder.notes, ...fewerShots(classNames, picked.train, shots), ...unknownNames(clip, classNames)];
  for (const note of notes) console.error(note);

  const learner = promptLearner(clip, classNames, options);
  const handWritten = await encodeClasses(clip, classNames, [template]);
  const shown = await encodePictures(clip, pathsOf(folder.root, picked.train), "shots");
  const heldOut = await encodePictures(clip, pathsOf(folder.root, folder.test), "held-out");
  const labelsOf = (items: readonly { label: number }[]) => Int32Array.from(items, ({ label }) => label);
  const testLabels = labelsOf(folder.test);
  const confusion = (classes: Float32Array) => confusionOf(clip, heldOut, testLabels, classes);
  const zeroShot = await confusion(handWritten);

  const prompt = (context: Float32Array) => ({
    context,
    shape: [learner.contextTokens, clip.config.text.width],
    position: "end" as const,
  });
  const epochs: EpochMetrics[] = [];
  const bar = progress("learn", recipe.epochs);
  const started = performance.now();
  const interrupted = onInterrupt("stopping after this epoch, the prompt so far is saved");
  const context = await fitPrompt(
    learner,
    { features: shown, labels: labelsOf(picked.train) },
    recipe,
    async (epoch) => {
      const asked =
        epoch.epoch % Math.max(1, Math.round(recipe.epochs / CURVE_POINTS)) === 0 || epoch.epoch === recipe.epochs;
      const heldOutAccuracy = asked
        ? accuracy(
            overall(
              await confusion(
                await promptFeatures(clip, classNames, prompt((await epoch.params.context.data()) as Float32Array)),
              ),
            ),
          )
        : undefined;
      const { epoch: number, loss, learningRate } = epoch;
      epochs.push({
        epoch: number,
        loss,
        learningRate,
        ...(asked ? { heldOutAccuracy } : {}),
        seconds: (performance.now() - started) / 1000,
      });
      bar.update(number, `loss ${loss.toFixed(3)}`);
      return interrupted.now() ? "stop" : undefined;
    },
  );
  interrupted.off();
  const stopped = epochs.length < recipe.epochs;
  if (stopped)
    notes.push(`Interrupted after epoch ${epochs.length} of ${recipe.epochs}: this prompt is not fully trained.`);
  bar.finish(`${epochs.length} epochs, loss ${epochs[epochs.length - 1].loss.toFixed(3)}`);

  const learned = await confusion(await promptFeatures(clip, classNames, prompt(context)));
  const config: RunConfig = {
    model: { name: modelName(input.text("model")), revision: null, sha256: clip.sha256 },
    classes: classNames,
    options: {
      contextTokens: learner.contextTokens,
      tokenDim: clip.config.text.width,
      position: "end",
      classSpecific: false,
      initText: null,
    },
    recipe,
    metrics: { zeroShot: { ...overall(zeroShot), templates: [template] }, coop: overall(learned) },
    versions: versions((await device()).description),
  };
  const title = `${await dataName(dir)}, ${shots} shots`;
  const command = ["coop", ...input.words];
  const splits = { seed, shots, layout: folder.layout, ...picked, test: folder.test };
  await writeRunFolder(
    out,
    runFiles({
      config,
      context,
      epochs,
      splits,
      readme: runCard(config, { title, command, dataset: dir }),
      report: reportHtml({ title, command, config, epochs, splits, zeroShot, coop: learned, notes }),
    }),
  );
  clip.free();

  const [before, after] = [overall(zeroShot), overall(learned)];
  if (input.has("json")) {
    const result = {
      classes: classNames,
      shots,
      zeroShot: { accuracy: accuracy(before) },
      coop: { accuracy: accuracy(after) },
      epochs: epochs.length,
      finalLoss: epochs[epochs.length - 1].loss,
      out,
    };
    console.log(JSON.stringify(result));
  } else {
    console.log(
      formatTable([
        ["", "accuracy", "right", "of"],
        [`zero-shot "${template}"`, percent(accuracy(before)), before.correct, before.total],
        [`CoOp, ${shots} shots`, percent(accuracy(after)), after.correct, after.total],
      ]),
    );
    console.log(`\nsaved ${out}   report: ${out}/report.html\nuse   coop predict PICTURE --prompt ${out}`);
  }
  return stopped ? 130 : 0;
}

function defaultOut(name: string, shots: number): string {
  const time = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
  return `runs/${time}-${name.replaceAll(/[^\w-]+/g, "-")}-${shots}shots`;
}

/** Says which classes have fewer pictures to learn from than were asked for. */
export function fewerShots(
  classNames: readonly string[],
  shown: readonly { label: number }[],
  shots: number,
): string[] {
  const counts = classNames.map((_, label) => shown.filter((item) => item.label === label).length);
  const few = classNames.flatMap((name, label) => (counts[label] < shots ? [`${name} (${counts[label]})`] : []));
  if (few.length === 0) return [];
  const named = few.slice(0, 5).join(", ") + (few.length > 5 ? ` and ${few.length - 5} more` : "");
  return [`Fewer than ${shots} pictures to learn from, all are used: ${named}.`];
}
