import { InputError } from "../tensor/errors.ts";
import { MersenneTwister, seedWords } from "./mersenne.ts";

/**
 * CoOp's published recipe (Zhou et al., IJCV 2022, §4.1 and the released configurations): SGD without dampening or Nesterov; the schedule moves once an epoch.
 * @example COOP_RECIPE.learningRate // 0.002
 */
export const COOP_RECIPE = {
  learningRate: 0.002,
  warmupLearningRate: 1e-5,
  momentum: 0.9,
  weightDecay: 5e-4,
  batchSize: 32,
} as const;

/**
 * The learning rate of a whole epoch, counted from 0: the warm-up's constant in epoch 0, then a cosine that
 * begins anew at its top, so that epoch 1 runs at `learningRate` and the last epoch is still above 0.
 *
 * @example coopLearningRate(0, { epochs: 50, learningRate: 0.002 }) // 0.00001
 */
export function coopLearningRate(
  epoch: number,
  recipe: { readonly epochs: number; readonly learningRate: number; readonly warmupLearningRate?: number },
): number {
  const { epochs, learningRate, warmupLearningRate = COOP_RECIPE.warmupLearningRate } = recipe;
  checkWhole("The number of epochs", epochs, 1);
  checkRate("The learning rate", learningRate);
  checkRate("The warm-up learning rate", warmupLearningRate);
  if (!Number.isInteger(epoch) || epoch < 0 || epoch >= epochs)
    throw new InputError(`Epoch ${epoch} is outside 0 to ${epochs - 1}.`);
  if (epoch === 0) return warmupLearningRate;
  return learningRate * 0.5 * (1 + Math.cos((Math.PI * (epoch - 1)) / epochs));
}

/**
 * The published number of epochs: 50 for 1 shot, 100 for 2 and 4, 200 for 8 and 16. A number between takes that of the
 * largest published one below it (3, 5, 6, 7 → 100), more than 16 takes 200. (CoOp trains ImageNet for 50 always.)
 *
 * @example epochsForShots(4) // 100
 */
export function epochsForShots(shots: number): number {
  checkWhole("The number of shots", shots, 1);
  return shots < 2 ? 50 : shots < 8 ? 100 : 200;
}

/**
 * The batches of one epoch: lists of indices into `count` items, in an order that depends on nothing but (seed, epoch),
 * so that a resumed run goes on exactly where it stopped. Like CoOp's loader it leaves out a last, incomplete batch
 * (other items each epoch), unless there are fewer items than one batch: then all of them are one batch.
 *
 * @example epochBatches(5, 2, 1, 0).length // 2
 */
export function epochBatches(count: number, batchSize: number, seed: number, epoch: number): number[][] {
  const batches = batchesPerEpoch(count, batchSize);
  checkWhole("The epoch", epoch, 0);
  const [low, high = 0] = seedWords(seed);
  const order = new MersenneTwister([low, high, epoch]).shuffle(Array.from({ length: count }, (_, i) => i));
  return Array.from({ length: batches }, (_, b) => order.slice(b * batchSize, (b + 1) * batchSize));
}

/**
 * How many batches `epochBatches` gives.
 * @example batchesPerEpoch(160, 32) // 5
 */
export function batchesPerEpoch(count: number, batchSize: number): number {
  checkWhole("The number of pictures to train on", count, 1);
  checkWhole("The batch size", batchSize, 1);
  return Math.max(1, Math.floor(count / batchSize));
}

/** Throws unless a value is a whole number, at least `least`. */
export function checkWhole(what: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least)
    throw new InputError(`${what} must be a whole number from ${least}, not ${value}.`);
}

function checkRate(what: string, value: number): void {
  if (!(Number.isFinite(value) && value > 0))
    throw new InputError(`${what} must be a number above 0 (CoOp's is ${COOP_RECIPE.learningRate}), not ${value}.`);
}
