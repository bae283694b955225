import { DEFAULT_TEMPLATE, ensembleFeatures } from "../clip/index.ts";
import { readLabelled } from "../coop/labelled.ts";
import { formatTable } from "../coop/progress.ts";
import { type Change, compareRankings, type Ranking, rankPictures, within } from "../coop/ranking.ts";
import { accuracy, interval, percent, type Score } from "../coop/score.ts";
import { InputError } from "../tensor/errors.ts";
import { device } from "../tensor/index.ts";
import { PART_FLAGS, partOf, TEMPLATE_FLAGS, templatesOf } from "./asking.ts";
import { type Command, MODEL_FLAG } from "./command.ts";
import { encodeItems } from "./labelled-features.ts";
import { encodeClasses, modelName, openModel, unknownNames } from "./model.ts";
import { print, printJson, say } from "./print.ts";

/** What is compared where no template is given; the first is what the others are compared with. */
const WORDINGS = ["a photo of {}.", DEFAULT_TEMPLATE, "{}"];

export const prompts: Command = {
  summary: "Compares hand-written prompts on a folder: the wording matters.",
  usage: "DIR [--template T]... [flags]",
  details: `DIR is laid out as for \`coop zero-shot\`. Each template is compared with the first; the last row is their ensemble.`,
  flags: {
    template: {
      ...TEMPLATE_FLAGS.template,
      help: `a prompt to compare, several times; {} stands for the class (default ${WORDINGS.map((t) => `"${t}"`).join(", ")})`,
    },
    dataset: { ...TEMPLATE_FLAGS.dataset, help: "the template of a dataset too: EuroSAT, oxford_pets, …" },
    ensemble: { help: "each of the seven templates of CLIP's authors too" },
    ...PART_FLAGS,
    model: MODEL_FLAG,
  },
  async run(input) {
    const dir = input.only("DIR");
    const { part, seed } = partOf(input);
    const asked = input.texts("template").length > 0 ? [] : WORDINGS;
    const templates = [...new Set([...asked, ...templatesOf(input, dir)])];
    const { classNames, ...folder } = await readLabelled(dir, part, seed);
    if (classNames.length < 2) throw new InputError(`${dir}: there must be two classes or more to tell apart`);
    const clip = await openModel(input.text("model"));
    for (const note of [...folder.notes, ...unknownNames(clip, classNames)]) say(note);

    const { items, examples } = await encodeItems(clip, folder.root, folder.items, "pictures");
    const { features: images, labels: right } = examples;
    const features: Float32Array[] = [];
    for (const template of templates) features.push(await encodeClasses(clip, classNames, [template]));
    const asks = templates.map((template, i) => ({ templates: [template], features: features[i] }));
    if (templates.length > 1) asks.push({ templates, features: ensembleFeatures(features, clip.config.embedDim) });
    const rankings: Ranking[] = [];
    for (const ask of asks) rankings.push(await rankPictures(clip, images, right, ask.features));
    clip.free();

    const results = asks.map(({ templates }, i): Row => {
      const score = within(rankings[i], 1);
      const difference = accuracy(score) - accuracy(within(rankings[0], 1));
      const change = compareRankings(rankings[0], rankings[i]);
      return { templates, accuracy: accuracy(score), ...score, interval: interval(score), difference, ...change };
    });
    const model = modelName(input.text("model"));
    if (input.has("json")) {
      const about = { model, device: (await device()).description, folder: dir, part: folder.part };
      printJson({ ...about, classes: classNames, results });
      return 0;
    }
    const named = ({ templates }: Row) =>
      templates.length > 1 ? `ensemble of ${templates.length}` : `"${templates[0]}"`;
    print(
      formatTable([
        ["prompt", "accuracy", "95 % interval", "difference", "right → wrong", "wrong → right", "p"],
        ...results.map((row, i) => [
          named(row),
          percent(row.accuracy),
          `${percent(row.interval[0])} to ${percent(row.interval[1])}`,
          ...(i === 0
            ? ["", "", "", ""]
            : [points(row.difference), row.rightToWrong, row.wrongToRight, probability(row.p)]),
        ]),
      ]),
    );
    print(`model ${model}   classes ${classNames.length}   pictures ${items.length}, ${folder.part}`);
    return 0;
  },
};

interface Row extends Score, Change {
  readonly templates: readonly string[];
  readonly accuracy: number;
  readonly interval: readonly [number, number];
  /** of the accuracies as fractions, to the first row's */
  readonly difference: number;
}

/** A difference of fractions in percentage points, with its sign. */
export const points = (difference: number): string =>
  `${difference > 0 ? "+" : difference < 0 ? "−" : "±"}${Math.abs(100 * difference).toFixed(1)}`;

const probability = (p: number): string => (p < 0.001 ? "<0.001" : p.toFixed(3));
