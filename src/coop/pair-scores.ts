import { pairEncoder } from "../clip/cached-gradients.ts";
import { contrastiveLoss } from "../clip/contrastive.ts";
import { type ClipConfig, type ClipParams, similarityLogits } from "../clip/index.ts";
import { InputError } from "../tensor/errors.ts";
import { argmax, compile, free, read, type Tensor, tensor } from "../tensor/index.ts";
import { orderedBatches, type PairBatchOptions } from "./pair-batches.ts";
import type { PairSource } from "./pairs.ts";

/** How well a model tells the pairs of a set apart. */
export interface PairScores {
  readonly pairs: number;
  /** The contrastive loss, mean over batches of the training's size; all pairs are one batch where they are fewer. */
  readonly loss: number;
  /** Share of pictures whose most similar caption of the whole set is theirs (or has the same words). */
  readonly recall: number;
}

/** Scores parameters on one set of pairs; call it as often as they change. */
export interface PairScorer {
  (params: ClipParams): Promise<PairScores>;
  /** Gives back the device's memory. */
  free(): void;
}

/**
 * A scorer for the pairs of a source, of which features are kept, [N, E] for pictures and captions.
 * @example const { loss, recall } = await pairScorer(validation, config, options)(params);
 */
export function pairScorer(
  source: PairSource,
  config: ClipConfig,
  options: Omit<PairBatchOptions, "seed">,
): PairScorer {
  const embed = pairEncoder(config);
  const lossOf = compile(contrastiveLoss, { name: "the loss on held-out pairs" });
  const nearest = compile(
    (images: Tensor, texts: Tensor, logitScale: Tensor) => argmax(similarityLogits(images, texts, logitScale), 1),
    { name: "the nearest captions" },
  );
  const score = async ({ logitScale, ...towers }: ClipParams): Promise<PairScores> => {
    const parts: { images: Float32Array; texts: Float32Array }[] = [];
    const captions: string[] = [];
    for await (const { piece, captions: some } of orderedBatches(source, options)) {
      const batch = piece();
      const features = embed(towers, batch);
      const { images, texts } = await read(features);
      parts.push({ images: images as Float32Array, texts: texts as Float32Array });
      captions.push(...some);
      free([batch, features]);
    }
    if (captions.length === 0) throw new InputError(`${source.name}: none of its pictures can be read`);
    const all = { images: joined(parts.map((p) => p.images)), texts: joined(parts.map((p) => p.texts)) };
    const rows = (values: Float32Array, from: number, to: number) =>
      tensor(values.slice(from * config.embedDim, to * config.embedDim), [to - from, config.embedDim]);
    const texts = rows(all.texts, 0, captions.length);
    const size = Math.min(options.batch, captions.length);
    let [loss, batches, right] = [0, 0, 0];
    for (let from = 0; from < captions.length; from += size) {
      const to = Math.min(captions.length, from + size);
      const images = rows(all.images, from, to);
      const found = nearest(images, texts, logitScale);
      (await found.data()).forEach((j: number, i: number) => {
        if (captions[j] === captions[from + i]) right++;
      });
      if (to - from === size) {
        const own = rows(all.texts, from, to);
        const value = lossOf(images, own, logitScale);
        loss += await value.item();
        batches++;
        free([own, value]);
      }
      free([images, found]);
    }
    free(texts);
    return { pairs: captions.length, loss: loss / batches, recall: right / captions.length };
  };
  return Object.assign(score, { free: () => [embed, lossOf, nearest].forEach((part) => part.free()) });
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
