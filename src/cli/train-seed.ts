import { oneLine } from "../clip/bytes.ts";
import type { Clip } from "../clip/index.ts";
import { writeRunFolder } from "../coop/atomic.ts";
import { conditionalClassifier } from "../coop/conditional-predict.ts";
import { dataName } from "../coop/datasets/open.ts";
import { duplicateNotes } from "../coop/duplicates.ts";
import { accuracyMeter } from "../coop/early-stopping.ts";
import type { Examples, FreshExamples } from "../coop/fit.ts";
import type { Folder, Item } from "../coop/folder.ts";
import { predictProbe } from "../coop/linear-probe.ts";
import type { MethodLearner } from "../coop/methods.ts";
import { confusionOf, promptFeatures } from "../coop/predict.ts";
import type { ValidationSource } from "../coop/probe-files.ts";
import { C_TRIALS } from "../coop/probe-search.ts";
import { progress } from "../coop/progress.ts";
import { reportHtml } from "../coop/report.ts";
import { runCard } from "../coop/run-card.ts";
import { contextShape, type RunConfig } from "../coop/run-config.ts";
import { runFiles, type Splits } from "../coop/run-files.ts";
import type { RunPlace } from "../coop/run-place.ts";
import { confusionMatrix, overall } from "../coop/score.ts";
import { runTraining } from "../coop/train-run.ts";
import { type Augmentation, viewsRecipeText } from "../coop/views.ts";
import { onInterrupt } from "./interrupt.ts";
import type { EncodedItems } from "./labelled-features.ts";
import { encodeClasses, pathsOf } from "./model.ts";
import { say } from "./print.ts";
import { choiceNotes, fitChosenProbe } from "./probe-choice.ts";
import type { Plan } from "./train-plan.ts";
import { finishedRun, type Run, settingsOf } from "./train-settings.ts";
import { versions } from "./versions.ts";
import { trainingFeatures } from "./views.ts";

/** The pictures of one seed. */
export interface Draw {
  readonly seed: number;
  readonly folder: Folder;
  readonly picked: { readonly train: readonly Item[]; readonly val: readonly Item[] };
  /** Where the pictures of `val` come from, or what C of the probe is chosen by instead. */
  readonly from: ValidationSource;
}

/** What the runs of a command share. */
export interface Session {
  readonly plan: Plan;
  readonly clip: Clip;
  readonly modelName: string;
  readonly learner: MethodLearner;
  /** Features [K, E] of the hand-written prompts. */
  readonly handWritten: Float32Array;
  /** What is known of the adapter and the software. */
  readonly device: string;
  /** `encodeItems`, each list once. */
  readonly encode: (folder: Folder, items: readonly Item[], name: string) => Promise<EncodedItems>;
  /** The command, as the run's files tell it. */
  readonly command: readonly string[];
}

/** Held-out accuracy is asked this often during a training, for the report's curve. */
const CURVE_POINTS = 10;
/** Milliseconds that the epoch may go on after Ctrl-C, before it is given up. */
const EPOCH_MAY_TAKE = 1000;
/** Held-out pictures that are compared with one computation of the prompts. */
const MOST_AT_ONCE = 4096;

/**
 * Trains with one seed and writes the run's folder; where it is there already, reads it.
 *
 * @returns undefined where it was interrupted: then its place holds a checkpoint
 */
export async function trainSeed(
  session: Session,
  draw: Draw,
  place: RunPlace,
  out: string,
  notes: readonly string[],
): Promise<Run | undefined> {
  const { plan, clip, learner, handWritten } = session;
  const { folder, seed } = draw;
  const { classNames } = folder;
  const augmentation = { ...plan.augmentation, seed };
  const augmented = augmentation.augment !== "none";
  const recipe = { ...plan.recipe, seed, augmentation: augmented ? viewsRecipeText(augmentation) : "none" };
  const planned = {
    model: { name: session.modelName, revision: null, sha256: clip.sha256 },
    classes: classNames,
    options: {
      contextTokens: learner.contextTokens,
      tokenDim: clip.config.text.width,
      position: plan.options.position ?? ("end" as const),
      classSpecific: plan.options.classSpecific ?? false,
      initText: plan.options.initText ?? null,
    },
    recipe,
  };
  const chooses = plan.probe || recipe.patience !== undefined;
  const shots = await session.encode(folder, draw.picked.train, "shots");
  const test = await session.encode(folder, folder.test, "held-out pictures");
  const val = await session.encode(folder, chooses ? draw.picked.val : [], "validation pictures");
  const picked = { train: shots.items, val: chooses ? val.items : draw.picked.val };
  const splits: Splits = { seed, shots: recipe.shots, layout: folder.layout, ...picked, test: test.items };
  const settings = await settingsOf(planned, splits, { ...plan, written: plan.templates });
  if (place.finished) return finishedRun(out, settings);

  const twice = duplicateNotes([shots, val, test]);
  for (const note of twice) say(note);

  const used = { ...draw, picked };
  const [shown, heldOut, validation] = [shots.examples, test.examples, val.examples];
  const seen = augmented ? await viewsOf(clip, used, { ...augmentation, epochs: recipe.epochs }) : shown;
  const confusion = (classes: Float32Array) => confusionOf(clip, heldOut.features, heldOut.labels, classes);
  const zeroShot = await confusion(handWritten);
  const ensemble = plan.ensemble && (await confusion(await encodeClasses(clip, classNames, plan.ensemble)));
  const probe = plan.probe ? await probeScore(used, { train: shown, val: validation }, heldOut) : undefined;

  const bar = progress(plan.several ? `seed ${seed}` : "learn", recipe.epochs);
  const perPicture = plan.method === "cocoop" ? classNames.length : 1; // prompts
  const curve = accuracyMeter(learner, heldOut, Math.max(1, Math.floor(MOST_AT_ONCE / perPicture)));
  const every = Math.max(1, Math.round(recipe.epochs / CURVE_POINTS));
  const interrupted = onInterrupt("stopping; every epoch that is over is saved");
  const trained = await runTraining(learner, seen, recipe, {
    dir: place.dir,
    settings,
    saveEvery: plan.saveEvery,
    debugNans: plan.debugNans,
    validation: recipe.patience === undefined ? undefined : { examples: validation, patience: recipe.patience },
    heldOut: async (params, epoch) =>
      epoch % every === 0 || epoch === recipe.epochs ? await curve.of(params) : undefined,
    stop: interrupted.now,
    giveUp: () => interrupted.since() > EPOCH_MAY_TAKE,
    onResume: (epoch) => bar.log(`going on after epoch ${epoch} of ${oneLine(place.dir)}`),
    onEpoch: ({ epoch, loss }) => bar.update(epoch, `loss ${loss.toFixed(3)}`),
  }).finally(() => {
    curve.free();
    interrupted.off();
  });
  const { epochs, keptEpoch } = trained;
  if (trained.stopped) {
    bar.finish(`stopped after epoch ${epochs.length} of ${recipe.epochs}`);
    return undefined;
  }
  const kept = keptEpoch === undefined ? "" : `, kept epoch ${keptEpoch}`;
  bar.finish(`${epochs.length} epochs, loss ${epochs[epochs.length - 1].loss.toFixed(3)}${kept}`);

  const { context, metaNet } = trained.params;
  const { position } = planned.options;
  const coop = metaNet
    ? confusionMatrix(
        heldOut.labels,
        await conditionalClassifier(clip, { context, metaNet }, { position })(classNames, heldOut.features),
        classNames.length,
      )
    : await confusion(await promptFeatures(clip, classNames, { context, shape: contextShape(planned), position }));
  const config: RunConfig = {
    ...planned,
    ...(keptEpoch === undefined ? {} : { keptEpoch }),
    metrics: {
      zeroShot: { ...overall(zeroShot), templates: plan.templates },
      ...(ensemble && { ensemble: { ...overall(ensemble), templates: plan.ensemble! } }),
      ...(probe && { probe }),
      coop: overall(coop),
    },
    versions: versions(session.device),
  };
  const { command } = session;
  const title = `${await dataName(plan.dir)}, ${recipe.shots} shots${plan.several ? `, seed ${seed}` : ""}`;
  const unread = [shots, test, val].flatMap((encoded) => encoded.notes);
  const told = [...notes, ...unread, ...twice, ...(probe ? choiceNotes([draw.from], undefined) : [])];
  const readme = runCard(config, { title, command, dataset: plan.dir });
  const report = reportHtml({ title, command, config, epochs, splits, zeroShot, coop, notes: told });
  await writeRunFolder(out, runFiles({ config, context, metaNet, epochs, splits, readme, report }));
  return { config, epochs };
}

/** The shots as random views of them. */
async function viewsOf(
  clip: Clip,
  { folder, picked }: Draw,
  how: Augmentation & { epochs: number },
): Promise<Examples | FreshExamples> {
  const { fixed, views, epoch } = await trainingFeatures(clip, pathsOf(folder.root, picked.train), how, "views");
  const labels = Int32Array.from(picked.train, ({ label }) => label);
  return fixed ? { features: fixed, labels, views } : { features: epoch, labels };
}

async function probeScore(draw: Draw, examples: { train: Examples; val: Examples }, heldOut: Examples) {
  const classes = draw.folder.classNames.length;
  const bar = progress("probe", draw.from === "none" ? 1 : C_TRIALS);
  let fits = 0;
  const { probe } = await fitChosenProbe(draw, examples, { classes }, () => bar.update(++fits));
  for (const note of choiceNotes([draw.from], undefined)) bar.log(note);
  if (!probe.converged) bar.log(`The probe has not reached its optimum after ${probe.iterations} steps.`);
  bar.finish();
  const predicted = await predictProbe(probe, heldOut.features);
  return { ...overall(confusionMatrix(heldOut.labels, predicted, classes)), C: probe.C };
}
