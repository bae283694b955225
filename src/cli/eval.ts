import { DEFAULT_TEMPLATE } from "../clip/index.ts";
import { openData, templateFor } from "../coop/datasets/open.ts";
import { confusionOf } from "../coop/predict.ts";
import { formatTable } from "../coop/progress.ts";
import { accuracy, confusionMatrix, largestOfRows, ofClass, overall, percent } from "../coop/score.ts";
import { type Command, MODEL_FLAG } from "./command.ts";
import { encodeItems } from "./labelled-features.ts";
import { encodeClasses } from "./model.ts";
import { print, printJson } from "./print.ts";
import { openPrompt } from "./prompt.ts";

export const evaluate: Command = {
  summary: "Measures a learned prompt on the held-out pictures of a folder, beside the hand-written one.",
  usage: "DIR --prompt OUT",
  details: `DIR is laid out as for \`coop train\`; the same folder holds out the same pictures. Its classes may be others than the
learned ones where the prompt has one context for all.`,
  flags: {
    prompt: { value: "OUT", help: "the folder that `coop train` wrote" },
    template: { value: "T", help: `hand-written prompt to compare with (default "${DEFAULT_TEMPLATE}")` },
    model: { ...MODEL_FLAG, help: "folder or address of the model (default: the one that the prompt was learned on)" },
  },
  async run(input) {
    const dir = input.only("DIR");
    const { clip, prompt, probabilities } = await openPrompt(input);
    const folder = await openData(dir, { seed: prompt.config.recipe?.seed ?? 1 });
    const { classNames } = folder;
    const template = input.text("template") ?? templateFor(dir);
    const written = await encodeClasses(clip, classNames, [template]);
    const { examples } = await encodeItems(clip, folder.root, folder.test, "held-out pictures");
    const { features: images, labels } = examples;
    const zeroShot = await confusionOf(clip, images, labels, written);
    const answers = largestOfRows(await probabilities(classNames, images), classNames.length);
    const coop = confusionMatrix(labels, answers, classNames.length);
    clip.free();
    if (input.has("json")) {
      const score = (confusion: number[][]) => ({ accuracy: accuracy(overall(confusion)), ...overall(confusion) });
      const perClass = classNames.map((label, k) => ({ label, ...ofClass(coop, k) }));
      printJson({
        classes: classNames,
        prompt: input.required("prompt"),
        zeroShot: score(zeroShot),
        coop: score(coop),
        perClass,
      });
      return 0;
    }
    const row = (name: string, confusion: number[][]) => [
      name,
      percent(accuracy(overall(confusion))),
      overall(confusion).correct,
      overall(confusion).total,
    ];
    print(formatTable([["", "accuracy", "right", "of"], row(`zero-shot "${template}"`, zeroShot), row("CoOp", coop)]));
    const classes = classNames.map((name, k) => [
      name,
      percent(accuracy(ofClass(zeroShot, k))),
      percent(accuracy(ofClass(coop, k))),
      ofClass(coop, k).total,
    ]);
    print(`\n${formatTable([["class", "zero-shot", "CoOp", "pictures"], ...classes])}`);
    return 0;
  },
};
