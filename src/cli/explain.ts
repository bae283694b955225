import { join } from "node:path";
import { checkFilePlace, writeFileAtomic } from "../coop/atomic.ts";
import {
  type ExplainedChange,
  type ExplainedVector,
  type Explanation,
  type Flip,
  verdict,
} from "../coop/explanation.ts";
import { explanationHtml, signed } from "../coop/explanation-report.ts";
import { readLabelled } from "../coop/labelled.ts";
import { type NearToken, nearestWords } from "../coop/nearest-words.ts";
import { formatTable } from "../coop/progress.ts";
import { answersTo, comparePrompts } from "../coop/prompt-change.ts";
import { accuracy, percent } from "../coop/score.ts";
import { shownWord, tokenWord } from "../coop/token-word.ts";
import { InputError } from "../tensor/errors.ts";
import { device } from "../tensor/index.ts";
import { PART_FLAGS, partOf, quotedTemplates, TEMPLATE_FLAGS, templatesOf } from "./asking.ts";
import { type Command, type Input, MODEL_FLAG } from "./command.ts";
import { encodeItems } from "./labelled-features.ts";
import { encodeClasses } from "./model.ts";
import { print, printJson, say } from "./print.ts";
import { type OpenPrompt, openPrompt } from "./prompt.ts";
import { thumbnail } from "./thumbnail.ts";

/** Of so many classes the own contexts are explained where none are named. */
const MOST_CLASSES = 20;
/** So many changed answers of each kind are printed, and shown with a thumbnail in the report. */
const MOST_PRINTED = 10;
const MOST_SHOWN = 60;

export const explain: Command = {
  summary: "Shows the words nearest to a learned prompt, and which answers it changes.",
  usage: "RUN [--data DIR] [flags]",
  details: `RUN is the folder that \`coop train\` or \`coop import\` wrote. Words stand beside what is found for random vectors of the
same norm. With --data the answers of the hand-written and of the learned prompt to the pictures of DIR are compared.`,
  flags: {
    "top-k": { value: "K", help: "words for each vector (default 5)" },
    labels: { value: "A,B,C", help: "the classes whose own contexts are explained (default: the first 20)" },
    data: { value: "DIR", help: "a folder of class folders, as for `coop eval`" },
    ...PART_FLAGS,
    split: { ...PART_FLAGS.split, help: "train, val, test or all (default: test, which RUN's seed holds out)" },
    ...TEMPLATE_FLAGS,
    report: { value: "FILE", help: "writes one page with the words and the pictures whose answer changed" },
    model: { ...MODEL_FLAG, help: "folder or address of the model (default: the one that the prompt was learned on)" },
  },
  async run(input) {
    const dir = input.only("RUN");
    const k = input.whole("top-k", 5);
    const report = input.text("report");
    if (report !== undefined) await checkFilePlace(report);
    const opened = await openPrompt(input, dir);
    const { clip, prompt } = opened;
    const vectors = await explainVectors(input, opened, k);
    const data = input.text("data");
    const compared = data === undefined ? undefined : await explainChange(input, opened, data);
    clip.free();

    const explanation: Explanation = {
      run: dir,
      model: prompt.config.model.name,
      device: (await device()).description,
      vectors,
      ...(compared ? { change: compared.change } : {}),
    };
    if (report !== undefined) {
      const pictures = new Map<string, string>();
      const { rightToWrong, wrongToRight } = explanation.change ?? { rightToWrong: [], wrongToRight: [] };
      for (const { path } of [...rightToWrong.slice(0, MOST_SHOWN), ...wrongToRight.slice(0, MOST_SHOWN)])
        pictures.set(path, await thumbnail(join(compared!.root, path)));
      await writeFileAtomic(report, explanationHtml(explanation, ["coop", ...input.words], pictures));
      say(`report: ${report}`);
    }
    if (input.has("json")) printJson(explanation);
    else show(explanation);
    return 0;
  },
};

async function explainVectors(input: Input, { clip, prompt }: OpenPrompt, k: number): Promise<ExplainedVector[]> {
  const { shape, context, config } = prompt;
  const [perClass, width] = shape.slice(-2);
  const { vocabularySize } = clip.tokenizer;
  if (k > vocabularySize) throw new InputError(`--top-k is ${k}; the model's vocabulary has ${vocabularySize} tokens`);
  const named = input.text("labels") === undefined ? undefined : input.list("labels");
  if (named && shape.length === 2)
    throw new InputError("--labels chooses among contexts of classes, but this prompt has one context for all");
  const unknown = named?.filter((label) => !config.classes.includes(label)) ?? [];
  if (unknown.length > 0) throw new InputError(`${unknown.join(", ")}: not a class of this prompt`);
  const classes = shape.length === 2 ? [undefined] : (named ?? config.classes.slice(0, MOST_CLASSES));
  if (shape.length === 3 && !named && config.classes.length > MOST_CLASSES)
    say(`The contexts of ${MOST_CLASSES} of ${config.classes.length} classes; --labels names others.`);

  const size = perClass * width;
  const chosen = new Float32Array(classes.length * size);
  classes.forEach((name, i) => {
    const from = name === undefined ? 0 : config.classes.indexOf(name) * size;
    chosen.set(context.subarray(from, from + size), i * size);
  });
  const word = ({ id, distance, cosine }: NearToken) => ({ ...tokenWord(clip.tokenizer, id), id, distance, cosine });
  const found = await nearestWords(clip.params.text.tokenEmbedding, chosen, { k });
  return found.map(({ norm, byDistance, byCosine, control }, i) => {
    const name = classes[Math.floor(i / perClass)];
    return {
      vector: (i % perClass) + 1,
      ...(name === undefined ? {} : { class: name }),
      norm,
      byDistance: byDistance.map(word),
      byCosine: byCosine.map(word),
      control: { ...control, example: control.example.map(word) },
    };
  });
}

async function explainChange(
  input: Input,
  { clip, prompt, features }: OpenPrompt,
  dir: string,
): Promise<{ root: string; change: ExplainedChange }> {
  const { part, seed } = partOf(input);
  const ownSeed = input.text("seed") === undefined ? (prompt.config.recipe?.seed ?? 1) : seed;
  const folder = await readLabelled(dir, part ?? "test", ownSeed);
  const { classNames } = folder;
  for (const note of folder.notes) say(note);
  const templates = templatesOf(input);
  const learned = await features(classNames);
  const written = await encodeClasses(clip, classNames, templates);
  const { items, examples } = await encodeItems(clip, folder.root, folder.items, "pictures");
  const { features: images, labels } = examples;
  const before = await answersTo(clip, images, labels, written);
  const after = await answersTo(clip, images, labels, learned);
  const width = clip.config.embedDim;
  const change = comparePrompts(before, after, labels, { before: written, after: learned, width });

  const flip = (i: number): Flip => {
    const of = ({ predicted, score }: typeof before) => ({ answer: classNames[predicted[i]], score: score[i] });
    return { path: items[i].path, label: classNames[labels[i]], zeroShot: of(before), learned: of(after) };
  };
  const right = ({ rank }: typeof before) => {
    const correct = rank.filter((place) => place === 0).length;
    return { accuracy: accuracy({ correct, total: items.length }), correct };
  };
  const known = (x: number) => (Number.isFinite(x) ? x : null);
  return {
    root: folder.root,
    change: {
      folder: dir,
      part: folder.part,
      templates,
      pictures: items.length,
      zeroShot: right(before),
      learned: right(after),
      p: change.p,
      classes: change.classes.map(({ total, correct, margin, cosine }, label) => ({
        label: classNames[label],
        total,
        zeroShot: { correct: correct.before, margin: known(margin.before) },
        learned: { correct: correct.after, margin: known(margin.after) },
        cosine,
      })),
      rightToWrong: change.lost.map(flip),
      wrongToRight: change.gained.map(flip),
    },
  };
}

function show({ vectors, change }: Explanation): void {
  const ofClass = vectors.some((vector) => vector.class !== undefined);
  const list = (vector: ExplainedVector, by: "distance" | "cosine") => {
    const words = by === "distance" ? vector.byDistance : vector.byCosine;
    return words.map((word) => `${shownWord(word)} ${word[by].toFixed(3)}`).join("  ");
  };
  for (const by of ["distance", "cosine"] as const) {
    const rows = vectors.map((vector) => {
      const { draws, asNear, [by]: random } = vector.control;
      return [
        ofClass ? `${vector.class} ${vector.vector}` : `${vector.vector}`,
        vector.norm.toFixed(3),
        `${random.mean.toFixed(3)} ± ${random.deviation.toFixed(3)}`,
        `${asNear[by]} of ${draws}`,
        `  ${list(vector, by)}`,
      ];
    });
    print(formatTable([["vector", "norm", "random", "as near", `  nearest by ${by}`], ...rows]));
  }
  print(verdict(vectors));
  if (!change) return;

  const { zeroShot, learned, pictures, classes, rightToWrong, wrongToRight } = change;
  const rows = classes.map((c) => [
    c.label,
    percent(c.zeroShot.correct / c.total),
    percent(c.learned.correct / c.total),
    c.total,
    signed(c.zeroShot.margin),
    signed(c.learned.margin),
    c.cosine.toFixed(3),
  ]);
  print(
    `\n${formatTable([
      ["class", "zero-shot", "learned", "pictures", "its margin", "learned margin", "cosine of the texts"],
      ...rows,
      ["all", percent(zeroShot.accuracy), percent(learned.accuracy), pictures],
    ])}`,
  );
  for (const [title, flips] of [
    ["right → wrong", rightToWrong],
    ["wrong → right", wrongToRight],
  ] as const) {
    // biome-ignore format: one row
    print(`${title}: ${flips.length}`);
    const shown = flips
      .slice(0, MOST_PRINTED)
      .map(({ path, zeroShot, learned }) => [
        `  ${path}`,
        `${zeroShot.answer} ${zeroShot.score.toFixed(2)}`,
        `${learned.answer} ${learned.score.toFixed(2)}`,
      ]);
    if (shown.length > 0) print(formatTable([["  picture", "zero-shot", "learned"], ...shown]));
  }
  print(
    `templates ${quotedTemplates(change.templates)}   pictures ${pictures}, ${change.part}   p ${change.p.toPrecision(2)}`,
  );
}
