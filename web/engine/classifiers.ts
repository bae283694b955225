import { type Clip, classFeatures, classify } from "../../src/clip/index.ts";
import { fitLinearProbe, type LinearProbe, probeProbabilities } from "../../src/coop/linear-probe.ts";
import type { Position } from "../../src/coop/prompt.ts";
import { promptLearner } from "../../src/coop/prompt-learner.ts";
import { compile, free, l2Normalize, type Tensor, tensor } from "../../src/tensor/index.ts";
import type { ContextWords } from "../protocol.ts";
import { orders } from "./orders.ts";
import { contextWords } from "./words.ts";

/** Inverse penalty of the linear probe, scikit-learn's default. */
export const PROBE_C = 1;
/** So many results are kept of each kind. */
const KEPT = 64;

/** How prompts of a training are laid out. */
export interface PromptLayout {
  readonly classNames: readonly string[];
  /** Of the context: [M, D], or [K, M, D] where class-specific. */
  readonly shape: readonly number[];
  readonly position: Position;
}

/** What one model makes of texts and pictures: features of prompts, probes, words; each is computed once. */
export class Classifiers {
  readonly #clip: Clip;
  readonly #texts = new Map<string, Promise<Float32Array>>();
  readonly #probes = new Map<string, Promise<LinearProbe>>();
  readonly #words = new Map<string, Promise<ContextWords[]>>();
  #reader: ({ readonly of: string } & PromptReader) | undefined;

  constructor(clip: Clip) {
    this.#clip = clip;
  }

  /** Normalised features [K, E] of the hand-written prompt. */
  zeroShot(classNames: readonly string[], template: string): Promise<Float32Array> {
    return once(this.#texts, JSON.stringify([classNames, template]), () =>
      classFeatures(this.#clip, classNames, [template]),
    );
  }

  /**
   * Normalised features [K, E] of a learned prompt.
   *
   * @param name of the context: what has the same name is not computed twice
   */
  prompt(layout: PromptLayout, name: string, context: () => Promise<Float32Array>): Promise<Float32Array> {
    const of = JSON.stringify(layout);
    return once(this.#texts, `${name} ${of}`, async () => {
      const values = await context();
      if (this.#reader?.of !== of) {
        this.#reader?.free();
        this.#reader = { of, ...promptReader(this.#clip, layout) };
      }
      return this.#reader.read(values);
    });
  }

  /** A linear classifier of pictures; `name` names them. */
  probe(name: string, examples: () => { features: Float32Array; labels: Int32Array }, classes: number) {
    return once(this.#probes, name, () => fitLinearProbe(examples(), { classes, C: PROBE_C }));
  }

  /** The words nearest to a context; `name` names it, as for `prompt`. */
  words(layout: PromptLayout, name: string, context: () => Promise<Float32Array>): Promise<ContextWords[]> {
    return once(this.#words, name, async () =>
      contextWords(this.#clip, await context(), layout.shape, layout.classNames),
    );
  }

  /** Probabilities [N, K] by features of texts, or by a probe. */
  async ask(classifier: Float32Array | LinearProbe, images: Float32Array): Promise<Float32Array> {
    if (images.length === 0) return new Float32Array();
    return classifier instanceof Float32Array
      ? classify(this.#clip, images, classifier)
      : probeProbabilities(classifier, images);
  }
}

interface PromptReader {
  read(context: Float32Array): Promise<Float32Array>;
  /** After what is under way. */
  free(): void;
}

/** Computes the prompts of any context by one program. */
function promptReader(clip: Clip, { classNames, shape, position }: PromptLayout): PromptReader {
  const contextTokens = shape[shape.length - 2];
  const learner = promptLearner(clip, classNames, { contextTokens, position, classSpecific: shape.length === 3 });
  const encode = compile((context: Tensor) => l2Normalize(learner.textFeatures({ context })), { name: "the prompts" });
  const inOrder = orders();
  return {
    read: (values) =>
      inOrder(async () => {
        const context = tensor(values, [...shape]);
        const features = encode(context);
        const read = (await features.data()) as Float32Array;
        free([context, features]);
        return read;
      }),
    free: () => void inOrder(async () => encode.free()),
  };
}

/** What a map holds, made where it is not there; what failed is made again. */
function once<T>(known: Map<string, Promise<T>>, name: string, make: () => Promise<T>): Promise<T> {
  const found = known.get(name);
  if (found) return found;
  const made = make();
  known.set(name, made);
  made.catch(() => known.delete(name));
  if (known.size > KEPT) known.delete(known.keys().next().value!);
  return made;
}
