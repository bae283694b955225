import { compile, gather, type Tensor, tensor } from "../tensor/index.ts";
import type { Epoch } from "./epochs.ts";
import { type Examples, type Host, type Learner, toHost } from "./fit.ts";
import { checkWhole } from "./schedule.ts";

/** The parameters of the epoch that was best. */
export interface Best<P> {
  /** Counted from 1. */
  readonly epoch: number;
  readonly value: number;
  readonly params: Host<P>;
}

/** Early stopping, to be told of each epoch. */
export interface EarlyStopping<P> {
  /** Undefined before the first epoch. */
  readonly best: Best<P> | undefined;
  /** Measures an epoch, and gives what was measured. */
  onEpoch(epoch: Pick<Epoch<P>, "epoch" | "params">): Promise<number>;
  /** Whether `patience` epochs in a row up to this one were no better. */
  enough(epoch: number): boolean;
}

/**
 * Keeps the parameters of the epoch with the highest measure, the first among equals, as CoOp's `best_val` does.
 *
 * @param measure the accuracy on validation pictures, say
 * @param patience so many epochs in a row without a better one are enough
 * @param best what an earlier part of the training kept
 * @example
 * const stopping = earlyStopping(meter.of, 10);
 * const onEpoch = async (epoch: Epoch<PromptParams>) => {
 *   await stopping.onEpoch(epoch);
 *   return stopping.enough(epoch.epoch) ? "stop" : undefined;
 * };
 */
export function earlyStopping<P>(
  measure: (params: P) => Promise<number>,
  patience: number,
  best?: Best<P>,
): EarlyStopping<P> {
  checkWhole("The patience", patience, 1);
  let kept = best;
  return {
    get best() {
      return kept;
    },
    async onEpoch({ epoch, params }) {
      const value = await measure(params);
      if (!kept || value > kept.value) kept = { epoch, value, params: await toHost(params) };
      return value;
    },
    enough: (epoch) => kept !== undefined && epoch - kept.epoch >= patience,
  };
}

/** Asks a learner about pictures, with whatever parameters. */
export interface AccuracyMeter<P> {
  /** The fraction of the pictures that these parameters answer rightly. */
  of(params: P): Promise<number>;
  /** Gives back the device's memory. */
  free(): void;
}

/**
 * Compiles a learner's answers about some pictures once.
 * @example
 * const meter = accuracyMeter(learner, validation);
 * await meter.of(params); // 0.91
 */
export function accuracyMeter<P>(
  learner: Pick<Learner<P>, "logits">,
  { features, labels }: Examples,
  batchSize = 128,
): AccuracyMeter<P> {
  const count = labels.length;
  checkWhole("The number of pictures to measure with", count, 1);
  const all = tensor(features, [count, features.length / count]);
  const logits = compile((params: P, rows: Tensor, picked: Tensor) =>
    learner.logits(params, { features: gather(rows, picked) }),
  );
  return {
    async of(params) {
      const answer = async (first: number): Promise<number> => {
        const asked = labels.subarray(first, first + batchSize);
        const picked = tensor(Int32Array.from(asked, (_, i) => first + i));
        try {
          const scores = logits(params, all, picked);
          const right = scores.data().then((values) => rightIn(values as Float32Array, asked));
          return await right.finally(() => scores.free());
        } finally {
          picked.free();
        }
      };
      const batches = Array.from({ length: Math.ceil(count / batchSize) }, (_, i) => answer(i * batchSize));
      return (await Promise.all(batches)).reduce((a, b) => a + b, 0) / count;
    },
    free() {
      all.free();
      logits.free();
    },
  };
}

/** How many rows of logits [n, K] are highest at their label. */
function rightIn(logits: Float32Array, labels: Int32Array): number {
  const classes = logits.length / labels.length;
  let right = 0;
  labels.forEach((label, i) => {
    const row = logits.subarray(i * classes, (i + 1) * classes);
    if (row.indexOf(Math.max(...row)) === label) right++;
  });
  return right;
}
