import { type Command, MODEL_FLAG } from "./command.ts";
import { encodePictures, openModel } from "./model.ts";
import { print, printJson } from "./print.ts";

export const embed: Command = {
  summary: "Prints the features of pictures or texts.",
  usage: "IMAGE... | --text T...",
  flags: {
    text: { help: "the arguments are texts, not pictures" },
    normalize: { help: "scale each to length 1" },
    model: MODEL_FLAG,
  },
  async run(input) {
    const inputs = input.some(input.has("text") ? "T" : "IMAGE");
    const clip = await openModel(input.text("model"));
    const dim = clip.config.embedDim;
    const features = input.has("text")
      ? ((await clip.encodeText(clip.tokenize(inputs)).data()) as Float32Array)
      : await encodePictures(clip, inputs);
    const embeddings = inputs.map((name, i) => {
      const values = [...features.subarray(i * dim, (i + 1) * dim)];
      const length = input.has("normalize") ? Math.hypot(...values) : 1;
      return { input: name, values: values.map((v) => v / length) };
    });
    if (input.has("json")) printJson({ dim, embeddings });
    else
      for (const { input: name, values } of embeddings)
        print(`${name}\t${values.map((v) => v.toPrecision(6)).join(" ")}`);
    clip.free();
    return 0;
  },
};
