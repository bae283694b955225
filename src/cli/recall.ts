import { textFeatures } from "../clip/index.ts";
import { readPairs } from "../coop/pairs.ts";
import { skippedNotes } from "../coop/pairs-skipped.ts";
import { formatTable } from "../coop/progress.ts";
import { captionRecall, type Recall } from "../coop/recall.ts";
import { percent } from "../coop/score.ts";
import { type Command, MODEL_FLAG } from "./command.ts";
import { encodePictures, modelName, openModel } from "./model.ts";
import { print, printJson, say } from "./print.ts";

export const recall: Command = {
  summary: "Measures retrieval on captioned pictures: recall at 1, 5 and 10, in both directions.",
  usage: "PAIRS",
  details: `PAIRS is a CSV or JSONL list of pictures and captions, or a folder with one, as for \`coop pretrain\`. A picture may
have several captions, each in a row of its own.`,
  flags: { model: MODEL_FLAG },
  async run(input) {
    const { pairs, skipped } = await readPairs(input.only("PAIRS"));
    for (const note of skippedNotes(skipped)) say(note);
    const images = [...new Set(pairs.map(({ image }) => image))];
    const captions = pairs.map(({ caption }) => caption);
    const clip = await openModel(input.text("model"));
    const { tokenizer } = clip;
    const cut = captions.filter((text) => tokenizer.encode(text).length + 2 > tokenizer.contextLength).length;
    if (cut > 0) say(`${cut} of ${captions.length} captions do not fit the model and are cut.`);
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
      printJson({
        model,
        pictures: images.length,
        captions: captions.length,
        imageToText: plain(imageToText),
        textToImage: plain(textToImage),
      });
    else {
      const header = ["", ...[...imageToText.at.keys()].map((k) => `R@${k}`), "median rank", "queries"];
      const row = (name: string, { at, medianRank, queries }: Recall) => [
        name,
        ...[...at.values()].map((share) => percent(share)),
        medianRank,
        queries,
      ];
      print(formatTable([header, row("picture → caption", imageToText), row("caption → picture", textToImage)]));
      print(`model ${model}`);
    }
    return 0;
  },
};

const plain = ({ at, medianRank, queries }: Recall) => ({ recall: Object.fromEntries(at), medianRank, queries });
