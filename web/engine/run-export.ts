import pkg from "../../package.json" with { type: "json" };
import { reportHtml } from "../../src/coop/report.ts";
import { runCard } from "../../src/coop/run-card.ts";
import type { RunConfig } from "../../src/coop/run-config.ts";
import { runFiles, type Splits } from "../../src/coop/run-files.ts";
import { confusionMatrix, largestOfRows, overall } from "../../src/coop/score.ts";
import { device } from "../../src/tensor/index.ts";
import type { EpochState } from "../protocol.ts";
import { type Classifiers, PROBE_C } from "./classifiers.ts";
import { TINY_NAME } from "./model-source.ts";
import { type LabelledPicture, recipeOf, type TrainingRecord } from "./training-record.ts";

/** What a run's files are written from. */
export interface Run {
  readonly record: TrainingRecord;
  readonly epochs: readonly EpochState[];
  /** After the last epoch. */
  readonly context: Float32Array;
  readonly classifiers: Classifiers;
  /** Normalised features [K, E] of the learned prompt. */
  readonly prompt: Float32Array;
  /** Features of the record's shots and held-out pictures; none where some of them are gone. */
  readonly shots: Float32Array;
  readonly heldOut: Float32Array;
}

/** The files that `coop train` writes, by name. */
export async function exportedFiles(run: Run): Promise<Map<string, Uint8Array | string>> {
  const { record, epochs, context, classifiers, prompt, heldOut } = run;
  const { settings } = record;
  const classes = record.classes.map(({ name }) => name);
  const tested = heldOut.length > 0 ? record.heldOut : [];
  const labels = Int32Array.from(tested, ({ label }) => label);
  const confusion = async (by: Parameters<Classifiers["ask"]>[0]) =>
    confusionMatrix(labels, largestOfRows(await classifiers.ask(by, heldOut), classes.length), classes.length);
  const zeroShot = await confusion(await classifiers.zeroShot(classes, settings.template));
  const coop = await confusion(prompt);
  const probe = run.shots.length > 0 ? overall(await confusion(await probeOf(run))) : undefined;

  const shots = Math.max(...classes.map((_, label) => record.shots.filter((shot) => shot.label === label).length));
  const config: RunConfig = {
    model: { ...record.model, revision: null },
    classes,
    options: {
      contextTokens: record.shape[record.shape.length - 2],
      tokenDim: record.shape[record.shape.length - 1],
      position: settings.position,
      classSpecific: settings.classSpecific,
      initText: settings.init.trim() === "" ? null : settings.init,
    },
    recipe: { shots, ...recipeOf(settings), optimizer: "sgd", labelSmoothing: 0, augmentation: "none" },
    metrics:
      tested.length === 0
        ? null
        : {
            zeroShot: { ...overall(zeroShot), templates: [settings.template] },
            ...(probe ? { probe: { ...probe, C: PROBE_C } } : {}),
            coop: overall(coop),
          },
    versions: { coop: pkg.version, browser: navigator.userAgent, adapter: (await device()).description },
  };
  const path = paths(classes, [...record.shots, ...record.heldOut]);
  const items = (part: readonly LabelledPicture[]) =>
    part.map((picture) => ({ path: path.get(picture)!, label: picture.label, className: classes[picture.label] }));
  const splits: Splits = {
    seed: settings.seed,
    shots,
    layout: "flat",
    train: items(record.shots),
    val: [],
    test: items(record.heldOut),
  };
  const title = `${classes.slice(0, 3).join(", ")}${classes.length > 3 ? ` and ${classes.length - 3} more` : ""}, ${shots} shots`;
  const command = equivalentCommand(config);
  const last = epochs.at(-1)!.epoch;
  const notes = [
    "Learned in a browser. The command does the same with the same pictures in a folder, but holds out others.",
    ...(last < settings.epochs ? [`Stopped after epoch ${last} of ${settings.epochs}.`] : []),
  ];
  const metrics = epochs.map(({ accuracy: _, ...line }) => line);
  const readme = runCard(config, { title, command, dataset: "pictures" });
  const report = reportHtml({ title, command, config, epochs: metrics, splits, zeroShot, coop, notes });
  return runFiles({ config, context, epochs: metrics, splits, readme, report });
}

/** The probe of a record's shots. */
export function probeOf({ record, classifiers, shots }: Pick<Run, "record" | "classifiers" | "shots">) {
  const name = record.shots.map(({ picture, label }) => `${picture} ${label}`).join();
  const examples = () => ({ features: shots, labels: Int32Array.from(record.shots, ({ label }) => label) });
  return classifiers.probe(name, examples, record.classes.length);
}

function equivalentCommand({ model, options, recipe, metrics }: RunConfig): string[] {
  const { initText, contextTokens, position, classSpecific } = options;
  return [
    ...["npx", "coop", "train", "pictures", ...(model.name === TINY_NAME ? [] : ["--model", model.name])],
    ...["--shots", `${recipe.shots}`],
    ...(initText === null ? ["--context-tokens", `${contextTokens}`] : ["--init", initText]),
    ...(position === "end" ? [] : ["--position", position]),
    ...(classSpecific ? ["--class-specific"] : []),
    ...["--epochs", `${recipe.epochs}`, "--learning-rate", `${recipe.learningRate}`, "--seed", `${recipe.seed}`],
    ...(metrics ? ["--template", ...metrics.zeroShot.templates] : []),
  ];
}

/** A path for each picture, as if they lay in folders of their classes; no two are the same. */
function paths(classes: readonly string[], pictures: readonly LabelledPicture[]): Map<LabelledPicture, string> {
  const taken = new Set<string>();
  return new Map(
    pictures.map((picture) => {
      const folder = classes[picture.label].replaceAll("/", "_");
      const [, stem, ending] = /^(.*?)(\.[^.]*)?$/s.exec(picture.name.replaceAll("/", "_"))!;
      let path = `${folder}/${picture.name.replaceAll("/", "_")}`;
      for (let n = 2; taken.has(path); n++) path = `${folder}/${stem} (${n})${ending ?? ""}`;
      taken.add(path);
      return [picture, path];
    }),
  );
}
