import { classify } from "../clip/index.ts";
import { answer } from "./answers.ts";
import { checkedLabels, labelsOf, PART_FLAGS, picturesOf, TEMPLATE_FLAGS, templatesOf } from "./asking.ts";
import { type Command, MODEL_FLAG, UsageError } from "./command.ts";
import { encodeClasses, modelName, openModel } from "./model.ts";
import { say } from "./print.ts";
import { evaluateFolder } from "./zero-shot-folder.ts";

export const zeroShot: Command = {
  summary: "Says which of some labels fits each picture, without any training; measures it on a folder.",
  usage: "IMAGE|DIR... --labels a,b,c [flags]",
  details: `One DIR with a folder of pictures per class is measured: how often the folder's name is the answer. Its folders'
names, underscores as spaces, are the labels where none are given. DIR may also be a dataset or a list, as for \`coop train\`.`,
  flags: {
    labels: { value: "A,B,C", help: "what the pictures may show" },
    "labels-file": { value: "FILE", help: "the same from a file: one a line, or JSON: a list, or {folder: label}" },
    ...TEMPLATE_FLAGS,
    "top-k": { value: "K", help: "labels to print for a picture (default all); for a DIR, the K of top-K (default 5)" },
    ...PART_FLAGS,
    report: { value: "FILE", help: "for a DIR, writes a page with the confusion matrix" },
    model: MODEL_FLAG,
  },
  async run(input) {
    const given = await labelsOf(input);
    const pictures = await picturesOf(input.some("IMAGE"));
    const templates = templatesOf(input, "dir" in pictures ? pictures.dir : undefined);
    if ("dir" in pictures) return evaluateFolder(input, pictures.dir, templates, given);
    for (const flag of ["split", "seed", "report"])
      if (input.text(flag) !== undefined) throw new UsageError(`--${flag} means nothing for pictures, only for a DIR.`);
    if (!given) throw new UsageError("--labels is missing. See `coop zero-shot --help`.");
    const topK = input.whole("top-k", given.labels.length);
    const clip = await openModel(input.text("model"));
    const { labels, notes } = checkedLabels(clip, given.labels);
    for (const note of notes) say(note);
    const features = await encodeClasses(clip, labels, templates);
    return answer(input, clip, {
      files: pictures.files,
      labels,
      probabilities: (found) => classify(clip, found, features),
      topK,
      about: { model: modelName(input.text("model")), templates },
    });
  },
};
