import { checkFilePlace, writeFileAtomic } from "../coop/atomic.ts";
import { distinct, spoken } from "../coop/label-set.ts";
import { type Labelled, readLabelled } from "../coop/labelled.ts";
import { listNames } from "../coop/near.ts";
import { formatTable } from "../coop/progress.ts";
import { rankPictures, within } from "../coop/ranking.ts";
import { accuracy, type Confusion, confusionMatrix, interval, ofClass, percent, worstPairs } from "../coop/score.ts";
import { zeroShotReport } from "../coop/zero-shot-report.ts";
import { InputError } from "../tensor/errors.ts";
import { device } from "../tensor/index.ts";
import { type GivenLabels, partOf, quotedTemplates } from "./asking.ts";
import type { Input } from "./command.ts";
import { encodeItems } from "./labelled-features.ts";
import { encodeClasses, modelName, openModel, unknownNames } from "./model.ts";
import { print, printJson, say } from "./print.ts";

/** Up to this many labels the confusion matrix is printed; beyond, its worst pairs. */
const MOST_PRINTED = 20;

/** Asks about the pictures of class folders, and prints how often the right class was the answer. */
export async function evaluateFolder(
  input: Input,
  dir: string,
  templates: readonly string[],
  given: GivenLabels | undefined,
): Promise<number> {
  const { part, seed } = partOf(input);
  const k = input.whole("top-k", 5);
  const report = input.text("report");
  if (report !== undefined) await checkFilePlace(report);
  const folder = await readLabelled(dir, part, seed);
  const labels = labelsFor(folder, given, dir);
  if (labels.length < 2)
    throw new InputError(`${dir}: "${labels[0]}" is the only label; there must be two or more to tell apart`);
  const clip = await openModel(input.text("model"));
  for (const note of [...folder.notes, ...sameLabels(labels), ...unknownNames(clip, labels)]) say(note);

  const features = await encodeClasses(clip, labels, templates);
  const { examples, ...found } = await encodeItems(clip, folder.root, folder.items, "pictures");
  const right = examples.labels;
  const ranking = await rankPictures(clip, examples.features, right, features);
  clip.free();

  const confusion = confusionMatrix(right, ranking.predicted, labels.length);
  const first = within(ranking, 1);
  const top = { k: Math.min(k, labels.length), ...within(ranking, k) };
  const perClass = folder.classNames.flatMap((_, label) => {
    const members = ranking.rank.filter((_, i) => right[i] === label);
    if (members.length === 0) return [];
    const score = ofClass(confusion, label);
    const inTop = members.filter((rank) => rank < k).length;
    return [{ label: labels[label], accuracy: accuracy(score), ...score, topK: inTop }];
  });
  const meanPerClass = perClass.reduce((sum, row) => sum + row.accuracy, 0) / perClass.length;
  const result = {
    model: modelName(input.text("model")),
    templates,
    pictures: `${found.items.length}, ${folder.part}`,
    labels,
    confusion,
    top1: { accuracy: accuracy(first), ...first, interval: interval(first) },
    topK: { k: top.k, accuracy: accuracy(top), correct: top.correct, total: top.total },
    meanPerClass,
    perClass,
  };
  if (report !== undefined) {
    const command = ["coop", ...input.words];
    await writeFileAtomic(
      report,
      zeroShotReport({ ...result, title: `${dir}, zero-shot`, command, notes: [...folder.notes, ...found.notes] }),
    );
    say(`report: ${report}`);
  }
  if (input.has("json")) {
    const { pictures: _, ...rest } = result;
    const about = { device: (await device()).description, folder: dir, part: folder.part };
    printJson({ ...about, ...rest });
  } else show(result);
  return 0;
}

/** A label for each class folder, in their order, and behind them those that no folder has. */
function labelsFor({ classNames }: Labelled, given: GivenLabels | undefined, dir: string): string[] {
  if (!given) return [...classNames];
  const { ofFolder, labels } = given;
  const byName = ofFolder ?? new Map(labels.map((label) => [spoken(label), label]));
  const missing = classNames.filter((name) => !byName.has(spoken(name)));
  if (missing.length > 0)
    throw new InputError(
      `${dir}: no label is given for the class folders ${listNames(missing)}; to call a folder by another name, give --labels-file a JSON object {folder: label}, to classify pictures without a class, name them: ${dir}/*/*`,
    );
  const own = classNames.map((name) => byName.get(spoken(name))!);
  const folders = new Set(classNames.map(spoken));
  return [...own, ...(ofFolder ? [] : [...byName].filter(([name]) => !folders.has(name)).map(([, label]) => label))];
}

function sameLabels(labels: readonly string[]): string[] {
  const { again } = distinct(labels);
  return again.length > 0
    ? [`More than one class is called ${listNames(again)}: only the first can be the answer.`]
    : [];
}

interface Result {
  readonly model: string;
  readonly templates: readonly string[];
  readonly pictures: string;
  readonly labels: readonly string[];
  readonly confusion: Confusion;
  readonly top1: { accuracy: number; correct: number; total: number; interval: readonly [number, number] };
  readonly topK: { k: number; accuracy: number; correct: number; total: number };
  readonly meanPerClass: number;
  readonly perClass: readonly { label: string; accuracy: number; correct: number; total: number }[];
}

function show({ model, templates, pictures, labels, confusion, top1, topK, meanPerClass, perClass }: Result): void {
  const [low, high] = top1.interval;
  print(
    formatTable([
      ["", "accuracy", "right", "of", "95 % interval"],
      ["top 1", percent(top1.accuracy), top1.correct, top1.total, `${percent(low)} to ${percent(high)}`],
      ...(topK.k > 1 && topK.k < labels.length
        ? [[`top ${topK.k}`, percent(topK.accuracy), topK.correct, topK.total]]
        : []),
      ["mean of the classes", percent(meanPerClass)],
    ]),
  );
  const classes = perClass.length > MOST_PRINTED ? [...perClass].sort((a, b) => a.accuracy - b.accuracy) : perClass;
  const rows = classes.slice(0, MOST_PRINTED).map((c) => [c.label, percent(c.accuracy), c.correct, c.total]);
  const worst = perClass.length > MOST_PRINTED ? `the worst ${MOST_PRINTED} of ${perClass.length} classes` : "class";
  print(formatTable([[worst, "accuracy", "right", "of"], ...rows]));
  if (labels.length <= MOST_PRINTED) {
    const header = ["taken for →", ...labels.map((_, i) => i + 1)];
    const counts = labels.map((label, i) => [`${i + 1} ${label}`, ...confusion[i].map((n) => n || ".")]);
    print(formatTable([header, ...counts.filter((_, i) => confusion[i].some((n) => n > 0))]));
  } else {
    const pairs = worstPairs(confusion, 10).map(({ row, column, count, total }) => [
      labels[row],
      labels[column],
      count,
      total,
    ]);
    if (pairs.length > 0) print(formatTable([["class", "taken for", "pictures", "of"], ...pairs]));
  }
  print(`model ${model}   templates ${quotedTemplates(templates)}   pictures ${pictures}`);
}
