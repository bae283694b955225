// # Reading a prompt
//
//     npx tsx examples/06-reading-a-prompt.ts        (from the repository's root)
//
// A learned prompt is vectors where words would stand. Which words are they like, and which answers do they change?
import { classFeatures, DEFAULT_TEMPLATE, imageFeatures, loadClip } from "../src/clip/index.ts";
import {
  fitPrompt,
  type NearToken,
  nearestWords,
  percent,
  promptFeatures,
  promptLearner,
  tokenWord,
} from "../src/coop/index.ts";
import { answersTo, comparePrompts } from "../src/evaluation.ts";
import { PICTURE_SIZE, TASKS, taskPictures } from "../src/world/index.ts";

const clip = await loadClip("models/tiny-clip");
const { classNames } = TASKS.above;
const { width } = clip.config.text;
const encoded = async (split: "train" | "test", perClass: number) => {
  const { pixels, labels } = taskPictures("above", { perClass, seed: 1, split });
  const pictures = pixels.map((data) => clip.preprocess({ width: PICTURE_SIZE, height: PICTURE_SIZE, data }));
  return { features: await imageFeatures(clip, pictures), labels: Int32Array.from(labels) };
};
const [train, test] = [await encoded("train", 16), await encoded("test", 40)];

/** A context of four vectors, learned from random ones or from words. */
const learn = (initText?: string) =>
  fitPrompt(promptLearner(clip, classNames, { contextTokens: 4, initText }), train, { epochs: 30, seed: 1 });

// ## The nearest words, beside what chance finds
//
// Among many words some are near to any vector. So 64 random ones are asked too: if half of them have a word as near, the
// nearest word says nothing. This task shows places from above, and "aerial" and "map" say so; but "riva" is a car: nearer
// than chance is not yet a meaning. (The authors of CoOp find most of their words hard to interpret: "Learning to Prompt
// for Vision-Language Models", §4.2.)
const word = ({ id, cosine }: NearToken) => `${tokenWord(clip.tokenizer, id).text} ${cosine.toFixed(2)}`;
const context = await learn();
for (const { norm, byCosine, control } of await nearestWords(clip.params.text.tokenEmbedding, context)) {
  const words = byCosine.slice(0, 3).map(word).join(", ");
  console.log(`‖v‖ ${norm.toFixed(2)}: ${words}; as near: ${control.asNear.cosine} of ${control.draws} random`);
}

// ## A vector that began as a word
//
// It mostly has that word nearest when it ends: because it has not gone far, not because it means it.
const worded = await nearestWords(clip.params.text.tokenEmbedding, await learn("a photo of a"));
console.log(`\nbegun as "a photo of a", read as: ${worded.map(({ byCosine }) => word(byCosine[0])).join(", ")}`);

// ## What it changes
//
// Both prompts answer the same unseen pictures. The margin is the cosine with the right class less the largest with
// another: above 0 where the answer is right. McNemar's test asks whether the flips could be throws of a coin.
const written = await classFeatures(clip, classNames, [DEFAULT_TEMPLATE]);
const learned = await promptFeatures(clip, classNames, { context, shape: [4, width], position: "end" });
const before = await answersTo(clip, test.features, test.labels, written);
const after = await answersTo(clip, test.features, test.labels, learned);
const features = { before: written, after: learned, width: clip.config.embedDim };
const { classes, gained, lost, p } = comparePrompts(before, after, test.labels, features);
console.log("\nclass        right          margin");
classes.forEach(({ total, correct, margin }, k) => {
  const share = (n: number) => percent(n / total, 0).padStart(5);
  const shown = `${margin.before.toFixed(3).padStart(6)} → ${margin.after.toFixed(3).padStart(6)}`;
  console.log(`${classNames[k].padEnd(10)} ${share(correct.before)} → ${share(correct.after)}  ${shown}`);
});
console.log(`${gained.length} answers became right, ${lost.length} wrong (p = ${p.toExponential(0)})`);
const [right, wrong] = [test.labels[gained[0]], before.predicted[gained[0]]].map((label) => classNames[label]);
console.log(`the clearest: a ${right}, which "${DEFAULT_TEMPLATE}" took for a ${wrong}`);
