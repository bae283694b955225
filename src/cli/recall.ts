import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { oneLine } from "../clip/bytes.ts";
import { textFeatures } from "../clip/index.ts";
import { JsonFields } from "../coop/json-fields.ts";
import { formatTable } from "../coop/progress.ts";
import { captionRecall, type Recall } from "../coop/recall.ts";
import { percent } from "../coop/score.ts";
import { InputError } from "../tensor/errors.ts";
import { type Command, MODEL_FLAG } from "./command.ts";
import { encodePictures, modelName, openModel } from "./model.ts";

export const recall: Command = {
  summary: "Measures retrieval on captioned pictures: recall at 1, 5 and 10, in both directions.",
  usage: "PAIRS",
  details: `PAIRS is a JSONL file: one object a line, with "image" (or "file_name"), a path relative to the file, and "caption" (or
"text"). A picture may have several captions, each on a line of its own.`,
  flags: { model: MODEL_FLAG },
  async run(input) {
    const pairs = await captionsOf(input.only("PAIRS"));
    const images = [...new Set(pairs.map(({ image }) => image))];
    const captions = pairs.map(({ caption }) => caption);
    const clip = await openModel(input.text("model"));
    const { tokenizer } = clip;
    const cut = captions.filter((text) => tokenizer.encode(text).length + 2 > tokenizer.contextLength).length;
    if (cut > 0) console.error(`${cut} of ${captions.length} captions do not fit the model and are cut.`);
    const rowOf = new Map(images.map((image, row) => [image, row]));
    const { imageToText, textToImage } = await captionRecall(
      await encodePictures(clip, images),
      await textFeatures(clip, captions),
      pairs.map(({ image }) => rowOf.get(image)!),
      { dim: clip.config.embedDim },
    );
    clip.free();
    const model = modelName(input.text("model"));
    if (input.has("json"))
      console.log(
        JSON.stringify({
          model,
          pictures: images.length,
          captions: captions.length,
          imageToText: plain(imageToText),
          textToImage: plain(textToImage),
        }),
      );
    else {
      const header = ["", ...[...imageToText.at.keys()].map((k) => `R@${k}`), "median rank", "queries"];
      const row = (name: string, { at, medianRank, queries }: Recall) => [
        name,
        ...[...at.values()].map((share) => percent(share)),
        medianRank,
        queries,
      ];
      console.log(formatTable([header, row("picture → caption", imageToText), row("caption → picture", textToImage)]));
      console.log(`model ${model}`);
    }
    return 0;
  },
};

const plain = ({ at, medianRank, queries }: Recall) => ({ recall: Object.fromEntries(at), medianRank, queries });

/** Pictures, as paths, with their captions, one each. */
async function captionsOf(path: string): Promise<{ image: string; caption: string }[]> {
  const name = oneLine(path);
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new InputError(
      `${name}: ${error.code === "ENOENT" ? "there is no such file. Check the path." : error.message}`,
    );
  });
  const pairs = text.split(/\r?\n/).flatMap((line, i) => {
    if (line.trim() === "") return [];
    const fields = JsonFields.parse(`${name}, line ${i + 1}`, line);
    const image = fields.string(fields.has("image") ? "image" : "file_name");
    return [
      { image: resolve(dirname(path), image), caption: fields.string(fields.has("caption") ? "caption" : "text") },
    ];
  });
  return pairs.length > 0 ? pairs : Promise.reject(new InputError(`${name}: there are no captions in it.`));
}
