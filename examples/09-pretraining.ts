// # Contrastive pretraining
//
//     npx tsx examples/09-pretraining.ts
//
// How a CLIP comes to be (Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021):
// two towers see pictures and captions, and each picture is to find its caption among all of the batch. Here from
// nothing, on drawn objects. `coop pretrain` is the full command.
import {
  type ClipConfig,
  type ClipParams,
  classFeatures,
  imageFeatures,
  loadTokenizer,
  makeClip,
  preprocess,
  textBatch,
} from "../src/clip/index.ts";
import { accuracy, confusionOf, epochBatches, overall, percent } from "../src/coop/index.ts";
import * as coop from "../src/index.ts";
import {
  clampLogitScale,
  commonWords,
  contrastiveLoss,
  initClip,
  type PairBatch,
  pairFeatures,
  wordLevelTokenizerJson,
} from "../src/pretrain.ts";
import { drawPicture, isHeldOut, PICTURE_SIZE, Random, sampleLatent, taskPictures } from "../src/world/index.ts";

// ## Pairs: 16 shapes in 10 colours, less 20 combinations that are never drawn
const [mean, std] = [[0.45, 0.45, 0.45] as const, [0.27, 0.27, 0.27] as const];
const pixels = { size: PICTURE_SIZE, crop: PICTURE_SIZE, scale: 1 / 255, mean, std };
const pairs = Array.from({ length: 1024 }, (_, i) => {
  const random = new Random(1, i);
  const latent = sampleLatent("object", random, { given: { texture: null } });
  const picture = { width: PICTURE_SIZE, height: PICTURE_SIZE, data: drawPicture(latent, random) };
  return { ...latent, image: preprocess(picture, pixels), caption: `a ${latent.colour} ${latent.shape}.` };
});
console.log(`${pairs.length} pairs, such as "${pairs[0].caption}" and "${pairs[1].caption}"`);
const heldOut = pairs.filter(({ colour, shape }) => isHeldOut(colour, shape));
console.log(`${heldOut.length} of them show one of the 20`);

// ## Two towers, and the words of the captions
const captions = pairs.map(({ caption }) => caption);
const tokenizer = await loadTokenizer(wordLevelTokenizerJson(commonWords(captions, 100)), { contextLength: 8 });
const config: ClipConfig = {
  embedDim: 32,
  activation: "quickGelu",
  layerNormEpsilon: 1e-5,
  vision: { kind: "vit", imageSize: PICTURE_SIZE, patchSize: 8, width: 64, layers: 2, heads: 2 },
  text: { contextLength: 8, vocabularySize: tokenizer.vocabularySize, width: 32, layers: 1, heads: 2 },
};
let params = initClip(config, coop.key(1));

/** Accuracy on pictures of a task, asked as "a {}.". */
async function zeroShot(task: string) {
  const { classNames, labels, ...test } = taskPictures(task, { perClass: 20, seed: 1, split: "test" });
  const clip = await makeClip({ name: "mine", config, params, tokenizer, pixels, sha256: "" });
  const pictures = test.pixels.map((data) => clip.preprocess({ width: PICTURE_SIZE, height: PICTURE_SIZE, data }));
  const prompts = await classFeatures(clip, classNames, ["a {}."]);
  return percent(accuracy(overall(await confusionOf(clip, await imageFeatures(clip, pictures), labels, prompts))));
}
console.log(`before: ${await zeroShot("compound")} on the 20 that are never drawn`);

// ## The step: features of both towers, all N · N cosines, two cross entropies
const [STEPS, BATCH] = [160, 64];
const optimizer = coop.adamw({ learningRate: 0.002, beta2: 0.98, epsilon: 1e-6, weightDecay: 0.1 });
let state = optimizer.init(params);
const step = coop.compile(
  (p: ClipParams, s: typeof state, batch: PairBatch, rate: number) => {
    const [loss, grads] = coop.valueAndGrad((q: ClipParams) => {
      const { images, texts } = pairFeatures(q, config, batch);
      return contrastiveLoss(images, texts, q.logitScale);
    })(p);
    const [next, after] = optimizer.update(coop.clipByGlobalNorm(grads, 1), s, p, rate);
    return [clampLogitScale(next), after, loss] as const;
  },
  { donate: [0, 1] },
);

// A model that knows nothing has a loss of ln 64 = 4.16 or more.
const schedule = coop.linearWarmup(20, coop.cosine(0.002, STEPS - 20));
const perEpoch = pairs.length / BATCH;
for (let i = 0; i < STEPS; i++) {
  const drawn = epochBatches(pairs.length, BATCH, 1, Math.floor(i / perEpoch))[i % perEpoch].map((n) => pairs[n]);
  const images = new Float32Array(BATCH * 3 * PICTURE_SIZE ** 2);
  drawn.forEach(({ image }, n) => images.set(image, n * image.length));
  const texts = textBatch(tokenizer.tokenize(drawn.map(({ caption }) => caption)), tokenizer, { padTo: 6 });
  const batch = { images: coop.tensor(images, [BATCH, 3, PICTURE_SIZE, PICTURE_SIZE]), ...texts };
  const [next, after, loss] = step(params, state, batch, schedule(i));
  [params, state] = [next, after];
  if (i === 0 || i % 40 === 39) console.log(`step ${i + 1}: loss ${(await loss.item()).toFixed(2)}`);
  coop.free([batch, loss]);
}

// ## What came of it: it tells colours and shapes that it never saw together (guessing: 5 %)
console.log(`after: ${await zeroShot("compound")} on the 20 that were never drawn`);
