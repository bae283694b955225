import { type Minimizer, minimizer } from "../autograd/index.ts";
import { InputError } from "../tensor/errors.ts";
import { add, argmax, free, linear, mean, mul, softmax, square, sum, type Tensor, tensor } from "../tensor/index.ts";
import { exactCrossEntropy } from "./exact-cross-entropy.ts";
import type { Examples } from "./fit.ts";

/** A linear classifier of features: class k has the logit x·weight[k] + bias[k]. */
export interface LinearProbe {
  /** [K, E] row-major. */
  readonly weight: Float32Array;
  /** [K], of mean 0. */
  readonly bias: Float32Array;
}

/** A probe and how it was found. */
export interface FittedProbe extends LinearProbe {
  /** Inverse strength of the penalty. */
  readonly C: number;
  /** ½‖W‖² + C · Σ cross-entropy. */
  readonly loss: number;
  readonly iterations: number;
  /** Whether the loss is within about a millionth of the optimum, or as near as float32 comes to it. */
  readonly converged: boolean;
}

/** Options of a probe's fit. */
export interface ProbeOptions {
  /** K; the largest label and one where not given. */
  readonly classes?: number;
  /** At most so many steps of L-BFGS for one fit (default 1000). */
  readonly maxIterations?: number;
}

/** Fits probes on one set of examples. */
export interface ProbeFitter {
  /**
   * The optimum for one C.
   *
   * @param start where to begin, such as the optimum for a C nearby: changes how long it takes, not what is found
   */
  fit(C: number, start?: LinearProbe): Promise<FittedProbe>;
  /** Gives back the device's memory. */
  free(): void;
}

/** Relative distance to the optimum's loss at which a fit ends. */
const TOLERANCE = 1e-6;
/** Longer than usual, since nearly separable classes make long valleys. */
const HISTORY = 30;

/**
 * Multinomial logistic regression on frozen features, as CLIP's and CoOp's linear probe: minimises
 * ½‖W‖² + C · Σᵢ crossEntropy(xᵢWᵀ + b, yᵢ), which is what scikit-learn's LogisticRegression(solver="lbfgs",
 * multi_class="multinomial") minimises; the intercept b is not penalised. (For two classes
 * scikit-learn keeps one vector instead of two; its C is this C / 2.)
 *
 * For large C and classes that can be separated, as few shots in many dimensions can, the cross-entropy goes to 0 and
 * the optimum is flat: about the widest margin, and far away. It still exists and is what is returned here; a
 * solver that ends at a fixed size of the gradient, as scikit-learn's does, may end earlier, with smaller weights.
 *
 * @param examples features [N, E], as the image tower gives them
 * @throws InputError where features are not finite, labels no classes, or C no finite number above 0
 * @example
 * const probe = await fitLinearProbe({ features, labels }, { C: 0.3 });
 * await predictProbe(probe, testFeatures); // Int32Array of class numbers
 */
export async function fitLinearProbe(
  examples: Examples,
  { C = 1, start, ...options }: ProbeOptions & { readonly C?: number; readonly start?: LinearProbe } = {},
): Promise<FittedProbe> {
  const fitter = probeFitter(examples, options);
  try {
    return await fitter.fit(C, start);
  } finally {
    fitter.free();
  }
}

/** As many classes as the largest label speaks of. */
export const classesOf = (labels: Int32Array): number => labels.reduce((most, label) => Math.max(most, label + 1), 0);

interface Params {
  readonly weight: Tensor;
  readonly bias: Tensor;
}

/** What the loss is computed from. */
interface Data {
  readonly features: Tensor;
  readonly labels: Tensor;
}

/**
 * `fitLinearProbe` for several C; one program serves all.
 *
 * What is minimised is mean cross-entropy + ½λ‖V‖², the objective divided by C·N, in other coordinates that change no
 * value of it but let float32 and L-BFGS cope with C from 1e-6 to 1e6: features lose their mean (b takes it up) and are
 * divided by one number s, and W = d V / s with d² = 1 / (1 + λ), so that neither term is steep.
 *
 * @example
 * const fitter = probeFitter({ features, labels });
 * const probes = [await fitter.fit(0.1), await fitter.fit(1)];
 */
export function probeFitter({ features, labels }: Examples, options: ProbeOptions = {}): ProbeFitter {
  const { classes = classesOf(labels), maxIterations = 1000 } = options;
  checkExamples(features, labels, classes);
  const [count, width] = [labels.length, features.length / labels.length];
  const { mean: center, size, scaled } = centered(features, count);
  const data: Data = { features: tensor(scaled, [count, width]), labels: tensor(labels) };
  let ended: (loss: number, gradientNorm: number) => boolean = () => false;
  const minimum: Minimizer<Params, [Data, number | Tensor, number | Tensor]> = minimizer(probeLoss, {
    history: HISTORY,
    maxIterations,
    gradientTolerance: 0,
    onIteration: ({ loss, gradientNorm }) => (ended(loss, gradientNorm) ? "stop" : undefined),
  });

  const fit = async (C: number, start?: LinearProbe): Promise<FittedProbe> => {
    if (!Number.isFinite(C) || C <= 0) throw new InputError(`C is ${C}; give a finite number above 0, such as 1.`);
    if (start && (start.weight.length !== classes * width || start.bias.length !== classes))
      throw new InputError(`The start is no probe of ${classes} classes and ${width} features.`);
    const lambda = 1 / (size * size * C * count);
    const d = 1 / Math.sqrt(1 + lambda);
    const penalty = lambda * d * d;
    // a function whose curvature is at least m is within ‖gradient‖²/2m of its minimum
    const curvature = Math.min(penalty, 1 / classes);
    ended = (loss, gradientNorm) => gradientNorm ** 2 / (2 * curvature) <= TOLERANCE * loss;
    const from = start ?? { weight: new Float32Array(classes * width), bias: new Float32Array(classes) };
    const params: Params = {
      weight: tensor(
        Float32Array.from(from.weight, (w) => (w * size) / d),
        [classes, width],
      ),
      bias: tensor(Float32Array.from(shifted(from, center, 1)), [classes]),
    };
    const found = await minimum(params, data, d, penalty);
    const inner = (await found.params.weight.data()) as Float32Array;
    const weight = Float32Array.from(inner, (v) => (v * d) / size);
    const bias = (await found.params.bias.data()) as Float32Array;
    free([params, found.params]);
    return {
      C,
      weight,
      bias: Float32Array.from(withoutMean(shifted({ weight, bias }, center, -1))),
      loss: found.loss * C * count,
      iterations: found.iterations,
      converged: found.reason === "stopped" || found.reason === "precision" || found.gradientNorm === 0,
    };
  };
  return {
    fit,
    free: () => {
      free(data);
      minimum.free();
    },
  };
}

const probeLoss = (
  { weight, bias }: Params,
  { features, labels }: Data,
  d: number | Tensor,
  penalty: number | Tensor,
) =>
  add(
    mean(exactCrossEntropy(add(mul(linear(features, weight), d), bias), labels)),
    mul(sum(square(weight)), mul(penalty, 0.5)),
  );

/**
 * Class number of each row of features.
 * @example const labels = await predictProbe(probe, features); // Int32Array [N]
 */
export async function predictProbe(probe: LinearProbe, features: Float32Array): Promise<Int32Array> {
  return (await applied(probe, features, argmax)) as Int32Array;
}

/**
 * Probabilities [N, K] of the classes for features [N, E], row-major.
 * @example const probabilities = await probeProbabilities(probe, features); // [N, K]
 */
export async function probeProbabilities(probe: LinearProbe, features: Float32Array): Promise<Float32Array> {
  return (await applied(probe, features, softmax)) as Float32Array;
}

async function applied({ weight, bias }: LinearProbe, features: Float32Array, of: (logits: Tensor) => Tensor) {
  const width = weight.length / bias.length;
  if (features.length === 0 || features.length % width !== 0)
    throw new InputError(`${features.length} numbers are not rows of ${width} features.`);
  const x = tensor(features, [features.length / width, width]);
  const given = { weight: tensor(weight, [bias.length, width]), bias: tensor(bias) };
  const answer = of(linear(x, given.weight, given.bias));
  const values = await answer.data();
  free([x, given, answer]);
  return values;
}

/** b + sign · W·center. */
const shifted = ({ weight, bias }: LinearProbe, center: Float64Array, sign: number): Float64Array =>
  Float64Array.from(bias, (b, k) =>
    center.reduce((total, c, e) => total + sign * c * weight[k * center.length + e], b),
  );

const withoutMean = (values: Float64Array): Float64Array => {
  const middle = values.reduce((a, b) => a + b, 0) / values.length;
  return values.map((v) => v - middle);
};

/** Rows minus their mean, over the root of their mean squared length. */
function centered(features: Float32Array, count: number) {
  const width = features.length / count;
  const center = new Float64Array(width);
  features.forEach((x, i) => {
    center[i % width] += x / count;
  });
  const total = features.reduce((sum, x, i) => sum + (x - center[i % width]) ** 2, 0);
  const size = Math.sqrt(total / count) || 1;
  return { mean: center, size, scaled: features.map((x, i) => (x - center[i % width]) / size) };
}

function checkExamples(features: Float32Array, labels: Int32Array, classes: number): void {
  if (labels.length === 0 || features.length === 0 || features.length % labels.length !== 0)
    throw new InputError(`${features.length} numbers are not a row of features for each of ${labels.length} labels.`);
  const bad = features.findIndex((x) => !Number.isFinite(x));
  if (bad >= 0)
    throw new InputError(
      `Features hold ${features[bad]} (row ${Math.floor((bad * labels.length) / features.length)}).`,
    );
  const label = labels.find((y) => !(y >= 0 && y < classes));
  if (label !== undefined) throw new InputError(`Label ${label} is not one of ${classes} classes.`);
}
