// A small CLIP without a vocabulary, and class names for it, of which many begin alike.
import fc from "fast-check";
import { type Clip, type ClipConfig, makeClip } from "../src/clip/index.ts";
import { initClip } from "../src/clip/init.ts";
import { key, normal, type Tensor, treeMap } from "../src/tensor/index.ts";

const config: ClipConfig = {
  embedDim: 12,
  activation: "quickGelu",
  layerNormEpsilon: 1e-5,
  vision: { kind: "vit", imageSize: 8, patchSize: 8, width: 16, layers: 1, heads: 1 },
  text: { contextLength: 15, vocabularySize: 20, width: 16, layers: 2, heads: 2 },
};

/** A CLIP whose every parameter is random, biases and gains too; a class is called by its tokens: "3 7 7". */
export async function randomClip(layers: number): Promise<Clip> {
  const own = { ...config, text: { ...config.text, layers } };
  let salt = 0;
  const params = treeMap(
    (p: Tensor) => normal(key(++salt), p.shape, { std: p.rank === 1 ? 0.5 : 0.3, mean: p.rank === 1 ? 0.2 : 0 }),
    initClip(own, key(1)),
  );
  const encode = (text: string) => [...text.matchAll(/\d+|\./g)].map(([word]) => (word === "." ? 1 : Number(word)));
  const tokenizer = { contextLength: 15, vocabularySize: 20, startToken: 18, endToken: 19, encode };
  return makeClip({ name: "random", config: own, params, tokenizer, pixels: {}, sha256: "" } as unknown as Parameters<
    typeof makeClip
  >[0]);
}

const className = fc.array(fc.integer({ min: 2, max: 5 }), { minLength: 1, maxLength: 5 }).map((ids) => ids.join(" "));
/** Two to five names. */
export const classNames = fc.uniqueArray(className, { minLength: 2, maxLength: 5 });
