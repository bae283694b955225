import { valueAndGrad, vjp } from "../autograd/index.ts";
import { add, type Compiled, compile, concat, free, slice, type Tensor, treeMap, zerosLike } from "../tensor/index.ts";
import { findNonFinite, type NonFinite } from "../tensor/non-finite.ts";
import type { ClipConfig } from "./config.ts";
import { contrastiveLoss, type PairBatch, type PairFeatures, pairFeatures, trainPairFeatures } from "./contrastive.ts";
import type { ClipParams } from "./params.ts";
import { type RunningStatistics, runningStatistics, withStatistics } from "./resnet.ts";
import type { TowerOptions } from "./towers.ts";

/** Puts a piece of a batch on the device: called twice a step, and freed by who called. All pieces have one shape. */
export type BatchPiece = () => PairBatch;

/** The parameters of both towers, without the scale that only the loss needs. */
export type Towers = Pick<ClipParams, "vision" | "text">;

/** The loss of a batch in pieces, and its gradient. */
export interface CachedGradients {
  (
    params: ClipParams,
    pieces: readonly BatchPiece[],
  ): [loss: Tensor, gradients: ClipParams, statistics: RunningStatistics];
  /** The same op by op: the first op whose result is not finite. */
  examine(params: ClipParams, pieces: readonly BatchPiece[]): Promise<NonFinite | undefined>;
  /** Gives back what the compiled programs hold. */
  free(): void;
}

/**
 * The contrastive loss of a batch in pieces, with the activations of one piece in memory at a time (GradCache: Gao et
 * al., arXiv 2101.06983). Every picture still meets every text: the features of all pieces are computed without
 * gradients; then the gradient of the whole batch's loss with respect to them; then each piece runs again and pulls its
 * part of that back to the parameters. A third more work, and the same gradient up to rounding; but the batch norms of a
 * ResNet see one piece at a time.
 *
 * @example const [loss, gradients] = cachedGradients(config)(params, [() => firstHalf, () => secondHalf]);
 */
export function cachedGradients(config: ClipConfig, options: TowerOptions = {}): CachedGradients {
  const embed = compile((towers: Towers, batch: PairBatch) => trainPairFeatures(towers, config, batch)[0], {
    name: "features of a piece",
  });
  const ofFeatures = compile(lossOfFeatures, { name: "the loss of the features" });
  const blank = compile((params: Towers) => treeMap(zerosLike, params) as Towers, { name: "zero gradients" });
  const pull = compile(
    (sums: Towers, before: RunningStatistics, params: Towers, batch: PairBatch, cotangent: PairFeatures) => {
      let after: RunningStatistics = [];
      const [, back] = vjp((p: Towers) => {
        const vision = withStatistics(p.vision, before);
        const [features, moved] = trainPairFeatures({ ...p, vision }, config, batch, options);
        after = moved;
        return features;
      }, params);
      return [treeMap((sum: Tensor, g: Tensor) => add(sum, g), sums, back(cotangent)) as Towers, after] as const;
    },
    { donate: [0], name: "the gradient of a piece" },
  );
  const run = (
    { logitScale, ...towers }: ClipParams,
    pieces: readonly BatchPiece[],
  ): [Tensor, ClipParams, RunningStatistics] => {
    const features = pieces.map((piece) => {
      const batch = piece();
      const embedded = embed(towers, batch);
      free(batch);
      return embedded;
    });
    const { loss, parts, scale } = ofFeatures(features, logitScale);
    free(features);
    let sums = blank(towers);
    let statistics = runningStatistics(towers.vision);
    pieces.forEach((piece, i) => {
      const batch = piece();
      const before = statistics;
      [sums, statistics] = pull(sums, before, towers, batch, parts[i]);
      free([batch, parts[i], i > 0 ? before : []]);
    });
    return [loss, { ...sums, logitScale: scale }, statistics];
  };
  const examine = async ({ logitScale, ...towers }: ClipParams, pieces: readonly BatchPiece[]) => {
    const features: PairFeatures[] = [];
    const statistics = runningStatistics(towers.vision);
    try {
      for (const piece of pieces) {
        const batch = piece();
        const found = await findNonFinite(embed, towers, batch);
        features.push(embed(towers, batch));
        free(batch);
        if (found) return found;
      }
      const inLoss = await findNonFinite(ofFeatures, features, logitScale);
      if (inLoss) return inLoss;
      const { parts, ...others } = ofFeatures(features, logitScale);
      features.push(...parts);
      free(others);
      for (const [i, piece] of pieces.entries()) {
        const batch = piece();
        const sums = blank(towers);
        const found = await findNonFinite(pull, sums, statistics, towers, batch, parts[i]);
        free([batch, sums]);
        if (found) return found;
      }
      return undefined;
    } finally {
      free(features);
    }
  };
  return Object.assign(run, { examine, free: () => [embed, ofFeatures, blank, pull].forEach((part) => part.free()) });
}

/** The loss, its gradient with respect to each piece's features, and with respect to the logit scale. */
function lossOfFeatures(pieces: readonly PairFeatures[], logitScale: Tensor) {
  const join = (key: keyof PairFeatures) =>
    concat(
      pieces.map((piece) => piece[key]),
      0,
    );
  const [loss, [features, scale]] = valueAndGrad(([{ images, texts }, s]: [PairFeatures, Tensor]) =>
    contrastiveLoss(images, texts, s),
  )([{ images: join("images"), texts: join("texts") }, logitScale]);
  const size = pieces[0].images.shape[0];
  const part = (g: Tensor, i: number) => slice(g, [i * size], [(i + 1) * size]);
  const parts = pieces.map(
    (_, i): PairFeatures => ({ images: part(features.images, i), texts: part(features.texts, i) }),
  );
  return { loss, parts, scale };
}

/**
 * Both towers without gradients, compiled.
 * @example const { images, texts } = pairEncoder(config)(params, batch); // [N, E] each
 */
export const pairEncoder = (config: ClipConfig): Compiled<[Towers, PairBatch], PairFeatures> =>
  compile((towers: Towers, batch: PairBatch) => pairFeatures(towers, config, batch), { name: "features of pairs" });
