import { joined, type LabelSet, parseLabelSet, split, without } from "../coop/label-set.ts";
import { readLabelled } from "../coop/labelled.ts";
import { formatTable } from "../coop/progress.ts";
import { rankPictures } from "../coop/ranking.ts";
import { interval, percent } from "../coop/score.ts";
import { type GroupShift, groupShifts, type Shift } from "../coop/taxonomy.ts";
import { readTextFile } from "../coop/text-file.ts";
import { InputError } from "../tensor/errors.ts";
import { device } from "../tensor/index.ts";
import { PART_FLAGS, partOf, quotedTemplates, TEMPLATE_FLAGS, templatesOf } from "./asking.ts";
import { type Command, type Input, MODEL_FLAG, UsageError } from "./command.ts";
import { encodeItems } from "./labelled-features.ts";
import { encodeClasses, modelName, openModel, unknownNames } from "./model.ts";
import { print, printJson, say } from "./print.ts";
import { points } from "./prompts.ts";

export const taxonomy: Command = {
  summary: "Shows how answers about groups of pictures shift when labels are added or removed.",
  usage: "DIR --labels a,b,c [--add d]... [--remove a]... [flags]",
  details: `DIR holds one folder of pictures per group; the labels have nothing to do with the folders' names. Labels may be counted
by category: --labels "animals: cat, dog; vehicles: car". What the table can and cannot tell is in docs/zero-shot.md.`,
  flags: {
    labels: { value: "A,B,C", help: "what is asked before; with categories: 'x: a, b; y: c'" },
    "labels-file": { value: "FILE", help: "the same from a file, where a new line does what the semicolon does" },
    add: { value: "D,E", many: true, help: "labels that are added, also 'x: d'" },
    remove: { value: "A,B", many: true, help: "labels that are taken away" },
    ...TEMPLATE_FLAGS,
    ...PART_FLAGS,
    model: MODEL_FLAG,
  },
  async run(input) {
    const dir = input.only("DIR");
    const { part, seed } = partOf(input);
    const before = await labelSet(input);
    const after = changed(before, input);
    const templates = templatesOf(input);
    const folder = await readLabelled(dir, part, seed);
    const clip = await openModel(input.text("model"));
    const every = [...new Set([...before.labels, ...after.labels])];
    for (const note of [...folder.notes, ...unknownNames(clip, every), ...onlyLabel(before, after)]) say(note);

    const { items, examples } = await encodeItems(clip, folder.root, folder.items, "pictures");
    const { features: images, labels: groupOf } = examples;
    const ask = async (set: LabelSet) => {
      const none = new Int32Array(groupOf.length); // no label is the right one
      const features = await encodeClasses(clip, set.labels, templates);
      return { set, predicted: (await rankPictures(clip, images, none, features)).predicted };
    };
    const groups = groupShifts(folder.classNames, groupOf, await ask(before), await ask(after));
    clip.free();

    const model = modelName(input.text("model"));
    if (input.has("json")) {
      const about = { model, device: (await device()).description, folder: dir, part: folder.part, templates };
      const shares = groups.map(({ group, total, categories, labels }) => ({
        group,
        total,
        categories: categories.map((shift) => share(shift, total)),
        labels: labels.map((shift) => share(shift, total)),
      }));
      printJson({ ...about, before, after, groups: shares });
      return 0;
    }
    print(formatTable(rows(groups, before)));
    print(`before  ${before.labels.join(", ")}\nafter   ${after.labels.join(", ")}`);
    print(`model ${model}   templates ${quotedTemplates(templates)}   pictures ${items.length}, ${folder.part}`);
    return 0;
  },
};

async function labelSet(input: Input): Promise<LabelSet> {
  const file = input.text("labels-file");
  if (file === undefined) return parseLabelSet(input.required("labels"));
  if (input.text("labels") !== undefined) throw new UsageError("--labels and --labels-file exclude each other.");
  return parseLabelSet(await readTextFile(file));
}

/** The labels after `--remove` and `--add`. */
function changed(before: LabelSet, input: Input): LabelSet {
  const [add, remove] = [input.texts("add"), input.texts("remove").flatMap(split)];
  if (add.length === 0 && remove.length === 0)
    throw new UsageError("--add or --remove is missing: what is to change. See `coop taxonomy --help`.");
  const after = add.map(parseLabelSet).reduce(joined, without(before, remove));
  if (after.labels.length === 0) throw new InputError("--remove leaves no label");
  const [old, new_] = [before, after].map(({ labels }) => [...labels].sort().join("\n"));
  if (old === new_) throw new InputError("--add and --remove leave the labels as they were");
  return after;
}

const onlyLabel = (...sets: readonly LabelSet[]): string[] =>
  sets.flatMap(({ labels }) =>
    labels.length === 1 ? [`"${labels[0]}" alone: every picture gets the only label.`] : [],
  );

const share = ({ name, before, after, gained, lost }: Shift, total: number) => ({
  name,
  before: { count: before, share: before / total, interval: interval({ correct: before, total }) },
  after: { count: after, share: after / total, interval: interval({ correct: after, total }) },
  shift: (after - before) / total,
  gained,
  lost,
});

function rows(groups: readonly GroupShift[], { labels, categories }: LabelSet): (string | number)[][] {
  const what = labels.every((label, i) => label === categories[i]) ? "label" : "category";
  const range = (correct: number, total: number) =>
    interval({ correct, total })
      .map((bound) => (100 * bound).toFixed(0))
      .join("–");
  const header = ["group", "of", what, "before", "", "95 %", "after", "", "95 %", "points", "came", "went"];
  const body = groups.flatMap(({ group, total, categories }) =>
    categories
      .filter(({ before, after }) => before + after > 0)
      .map(({ name, before, after, gained, lost }, i) => [
        ...(i === 0 ? [group, total] : ["", ""]),
        name,
        before,
        percent(before / total),
        range(before, total),
        after,
        percent(after / total),
        range(after, total),
        points((after - before) / total),
        gained,
        lost,
      ]),
  );
  return [header, ...body];
}
