import { answer } from "./answers.ts";
import { type Command, MODEL_FLAG } from "./command.ts";
import { openPrompt } from "./prompt.ts";

export const predict: Command = {
  summary: "Says which class fits each picture, with a learned prompt.",
  usage: "IMAGE... --prompt OUT [--labels a,b,c]",
  flags: {
    prompt: { value: "OUT", help: "the folder that `coop train` wrote" },
    labels: { value: "A,B,C", help: "other classes than the learned ones (a unified context serves any)" },
    model: { ...MODEL_FLAG, help: "folder or address of the model (default: the one that the prompt was learned on)" },
  },
  async run(input) {
    input.some("IMAGE");
    const { clip, prompt, probabilities } = await openPrompt(input);
    const labels = input.text("labels") === undefined ? prompt.config.classes : input.list("labels");
    return answer(input, clip, {
      labels,
      probabilities: (pictures) => probabilities(labels, pictures),
      about: { model: prompt.config.model.name, prompt: input.required("prompt") },
    });
  },
};
