// The methods that are compared.
import { classFeatures } from "../../src/clip/index.ts";
import { seedsTrainer } from "../../src/coop/fit-seeds.ts";
import {
  type Examples,
  epochsForShots,
  type LinearProbe,
  type PromptLearnerOptions,
  predictProbe,
  probeFitter,
  promptFeatures,
} from "../../src/coop/index.ts";
import { ENSEMBLE_TEMPLATES, NAIVE_TEMPLATE, TASKS } from "../../src/world/index.ts";
import { type Context, MAX_GRADIENT_NORM, type Opened, PROBE_C, percentEqual, type Score } from "./method.ts";
import { cocoop } from "./method-cocoop.ts";
import { CONTEXTS, type ContextName } from "./plan.ts";
import type { Method } from "./records.ts";

/** Methods that can be run; a new one is an entry here, its name in `records.ts` and its runs in `plan.ts`. */
export const METHODS: Partial<Record<Method, (context: Context) => Opened>> = {
  "zero-shot": zeroShot,
  coop,
  probe,
  cocoop,
};

function zeroShot({ clip, job: { task, variant } }: Context): Opened {
  const good = TASKS[task].goodTemplate;
  const templates = { naive: [NAIVE_TEMPLATE], good: [good], ensemble: [...ENSEMBLE_TEMPLATES, good] }[variant]!;
  return {
    fit: async () => [
      async (test, names) => shareRight(test, await classFeatures(clip, names, templates), clip.config.embedDim),
    ],
    free() {},
  };
}

function coop({ clip, job, classNames, maxEpochs = Number.POSITIVE_INFINITY }: Context): Opened {
  const options: PromptLearnerOptions = CONTEXTS[job.variant as ContextName];
  const { position = "end" } = options;
  const trainer = seedsTrainer(clip, classNames, options);
  return {
    async fit(runs, shots) {
      const examples = runs.map(({ seed, train }) => ({ seed, examples: train }));
      const epochs = Math.min(maxEpochs, epochsForShots(shots));
      const { contexts, features } = await trainer.fit(examples, { epochs, maxGradientNorm: MAX_GRADIENT_NORM });
      return contexts.map((context, i) => async (test: Examples, names: readonly string[]) => {
        const { width } = clip.config.text;
        const own = names.join() === classNames.join();
        const prompt = { context, shape: [context.length / width, width], position };
        return shareRight(test, own ? features[i] : await promptFeatures(clip, names, prompt), clip.config.embedDim);
      });
    },
    free: () => trainer.free(),
  };
}

function probe({ classNames }: Context): Opened {
  return {
    async fit(runs) {
      const scores: Score[] = [];
      for (const { train, validation } of runs) {
        const found = await bestProbe(train, validation, classNames.length);
        scores.push(async (test) => percentEqual(await predictProbe(found, test.features), test.labels));
      }
      return scores;
    },
    free() {},
  };
}

/** Of the probes for each C the one that is best on the validation pictures; the largest C among equals, as in CoOp. */
async function bestProbe(train: Examples, validation: Examples, classes: number): Promise<LinearProbe> {
  const fitter = probeFitter(train, { classes, maxIterations: 300 });
  let best: { probe: LinearProbe; percent: number } | undefined;
  let probe: LinearProbe | undefined;
  for (const C of PROBE_C) {
    probe = await fitter.fit(C, probe);
    const percent = percentEqual(await predictProbe(probe, validation.features), validation.labels);
    if (!best || percent >= best.percent) best = { probe, percent };
  }
  fitter.free();
  return best!.probe;
}

/** Each picture is given the class whose normalised feature [K, E] has the largest product with its own. */
function shareRight({ features, labels }: Examples, classes: Float32Array, width: number): number {
  const count = classes.length / width;
  const product = (row: number, k: number) => {
    let sum = 0;
    for (let i = 0; i < width; i++) sum += features[row * width + i] * classes[k * width + i];
    return sum;
  };
  const predicted = Array.from(labels, (_, row) => {
    const products = Array.from({ length: count }, (__, k) => product(row, k));
    return products.indexOf(Math.max(...products));
  });
  return percentEqual(predicted, labels);
}
