import { classFeatures, DEFAULT_TEMPLATE } from "../clip/index.ts";
import { InputError } from "../tensor/errors.ts";
import { answer } from "./answers.ts";
import { type Command, MODEL_FLAG } from "./command.ts";
import { modelName, openModel, unknownNames } from "./model.ts";

export const zeroShot: Command = {
  summary: "Says which of some labels fits each picture, without any training.",
  usage: 'IMAGE... --labels a,b,c [--template "a photo of a {}."]',
  flags: {
    labels: { value: "A,B,C", help: "what the pictures may show" },
    template: { value: "T", help: `the prompt, {} stands for the label (default "${DEFAULT_TEMPLATE}")` },
    model: MODEL_FLAG,
  },
  async run(input) {
    const labels = input.list("labels");
    if (labels.length === 0) throw new InputError("--labels names none; write for example --labels cat,dog");
    input.some("IMAGE");
    const template = input.text("template") ?? DEFAULT_TEMPLATE;
    const clip = await openModel(input.text("model"));
    for (const note of unknownNames(clip, labels)) console.error(note);
    const features = await classFeatures(clip, labels, [template]);
    return answer(input, clip, { labels, features, about: { model: modelName(input.text("model")), template } });
  },
};
