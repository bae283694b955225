// # Zero-shot classification with CLIP
//
//     npx tsx examples/03-zero-shot.ts        (from the repository's root)
//
// CLIP puts pictures and texts into one space. To classify a picture, write a sentence for each class and take the
// class whose sentence lies closest: nothing is trained. The model here is the tiny one that comes with coop, and the
// pictures are drawn; `loadClip` takes any folder with a CLIP model in Hugging Face's layout.
import { classFeatures, classify, DEFAULT_TEMPLATE, imageFeatures, loadClip } from "../src/clip/index.ts";
import { accuracy, confusionOf, overall, percent } from "../src/coop/index.ts";
import { PICTURE_SIZE, TASKS, taskPictures } from "../src/world/index.ts";

const clip = await loadClip("models/tiny-clip");
const { vision, text, embedDim } = clip.config;
console.log(`${vision.imageSize} pixels, context of ${text.contextLength} tokens, features of ${embedDim} numbers`);

/** Features [N, E] of pictures of a task: drawn, brought into the model's form, encoded in batches. */
async function picturesOf(task: string, perClass: number) {
  const { pixels, labels } = taskPictures(task, { perClass, seed: 1, split: "test" });
  const pictures = pixels.map((data) => clip.preprocess({ width: PICTURE_SIZE, height: PICTURE_SIZE, data }));
  return { features: await imageFeatures(clip, pictures), labels };
}

// ## One picture
//
// `classFeatures` encodes the template filled with each name, `classify` gives softmax(s · cosine) over the classes.
const places = TASKS.scenes;
const scenes = await picturesOf("scenes", 20);
const prompts = await classFeatures(clip, places.classNames, [DEFAULT_TEMPLATE]);
const first = await classify(clip, scenes.features.subarray(0, embedDim), prompts);
const ranked = [...first].map((p, k) => ({ name: places.classNames[k], p })).sort((a, b) => b.p - a.p);
console.log(`\nthis is a ${places.classNames[scenes.labels[0]]}; the model says:`);
for (const { name, p } of ranked.slice(0, 3))
  console.log(`  ${(100 * p).toFixed(1).padStart(5)} %  a photo of a ${name}.`);

// ## Whole tasks, and why the words matter
//
// Accuracy is the share of pictures whose most probable class is the right one. The sentence is a choice, and for
// pictures that are no ordinary photos the usual one is a bad choice: CoOp learns it instead (04-coop-from-scratch.ts).
const score = async ({ features, labels }: typeof scenes, names: readonly string[], template: string) =>
  percent(accuracy(overall(await confusionOf(clip, features, labels, await classFeatures(clip, names, [template])))));

console.log(`\n"${DEFAULT_TEMPLATE}" against a sentence chosen for the task:`);
for (const task of ["above", "textures", "actions", "counts"]) {
  const { classNames, goodTemplate } = TASKS[task];
  const pictures = await picturesOf(task, 20);
  const plain = await score(pictures, classNames, DEFAULT_TEMPLATE);
  const chosen = await score(pictures, classNames, goodTemplate);
  console.log(`  ${task.padEnd(8)} ${plain.padStart(7)} → ${chosen.padStart(7)}  "${goodTemplate}"`);
}
clip.free();
