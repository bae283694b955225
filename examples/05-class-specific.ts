// # A context for each class
//
//     npx tsx examples/05-class-specific.ts        (from the repository's root)
//
// 04-coop-from-scratch.ts learns one context for all classes. A class-specific one, [v₁ᵏ … v_Mᵏ name_k .], gives each
// class k vectors of its own (Zhou et al., "Learning to Prompt for Vision-Language Models", 2022, §3.2). That is more to
// learn, from the same pictures.
import { classFeatures, DEFAULT_TEMPLATE, imageFeatures, loadClip } from "../src/clip/index.ts";
import {
  accuracy,
  confusionOf,
  fitPrompt,
  type LearnedPrompt,
  overall,
  percent,
  promptFeatures,
  promptLearner,
} from "../src/coop/index.ts";
import { key } from "../src/index.ts";
import { PICTURE_SIZE, TASKS, taskPictures } from "../src/world/index.ts";

const clip = await loadClip("models/tiny-clip");
const encoded = async (task: string, split: "train" | "test", perClass: number) => {
  const { pixels, labels } = taskPictures(task, { perClass, seed: 1, split });
  const pictures = pixels.map((data) => clip.preprocess({ width: PICTURE_SIZE, height: PICTURE_SIZE, data }));
  return { features: await imageFeatures(clip, pictures), labels: Int32Array.from(labels) };
};

// ## Two learners: all that differs is the shape of the context
const kinds = { unified: false, "class-specific": true };
const { classNames: flowers } = TASKS.flowers;
for (const [kind, classSpecific] of Object.entries(kinds)) {
  const { context } = promptLearner(clip, flowers, { contextTokens: 4, classSpecific }).init(key(1));
  console.log(`${kind.padEnd(14)} [${context.shape}]: ${context.size} numbers for ${flowers.length} flowers`);
}

// ## Few pictures want one context, many pictures may not
//
// Places seen from above all lack the same words. Ten pictures, one of each place, teach one context more than each of
// them teaches one of ten. Flowers differ each in their own way: with sixteen pictures of each, contexts of their own do
// better after these 30 epochs. (After 200, docs/reproduction.md finds little between the two.)
const learned = new Map<string, LearnedPrompt>();
for (const [task, shots] of [["above", 1] as const, ["flowers", 16] as const]) {
  const { classNames } = TASKS[task];
  const [train, test] = [await encoded(task, "train", shots), await encoded(task, "test", 20)];
  const score = async (prompts: Float32Array) =>
    percent(accuracy(overall(await confusionOf(clip, test.features, test.labels, prompts))));
  console.log(`\n${task}, ${shots} of each class`);
  console.log(`"${DEFAULT_TEMPLATE}"  ${await score(await classFeatures(clip, classNames, [DEFAULT_TEMPLATE]))}`);
  for (const [kind, classSpecific] of Object.entries(kinds)) {
    const learner = promptLearner(clip, classNames, { contextTokens: 4, classSpecific });
    const context = await fitPrompt(learner, train, { epochs: 30, seed: 1, maxGradientNorm: 10 });
    const prompt: LearnedPrompt = { context, shape: learner.init(key(1)).context.shape, position: "end" };
    console.log(`${kind.padEnd(19)}  ${await score(await promptFeatures(clip, classNames, prompt))}`);
    learned.set(`${task}, ${kind}`, prompt);
  }
}

// ## Other classes: only one context for all can serve them
const names = ["orchard", "airport", "harbour"];
for (const kind of Object.keys(kinds)) {
  const made = await promptFeatures(clip, names, learned.get(`above, ${kind}`)!).catch((error: Error) => error);
  console.log(made instanceof Error ? `refused: ${made.message}` : `\nprompts for ${names.join(", ")}: made`);
}
