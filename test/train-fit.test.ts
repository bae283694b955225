// The loop under `coop train`, on learners small enough to know what must come out.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { sgd, valueAndGrad } from "../src/autograd/index.ts";
import { type Clip, embedTokens, loadClip } from "../src/clip/index.ts";
import { accuracyMeter, earlyStopping } from "../src/coop/early-stopping.ts";
import type { FitState } from "../src/coop/epochs.ts";
import { type Examples, fitLearner, fitPrompt, type Learner, toHost } from "../src/coop/fit.ts";
import { layoutPrompts, type Position } from "../src/coop/prompt.ts";
import { type PromptParams, promptLearner } from "../src/coop/prompt-learner.ts";
import type { Recipe } from "../src/coop/recipe.ts";
import { coopLearningRate, epochBatches } from "../src/coop/schedule.ts";
import { runTraining, type TrainRun } from "../src/coop/train-run.ts";
import {
  compile,
  crossEntropy,
  device,
  foldIn,
  gather,
  key,
  linear,
  normal,
  type Tensor,
  tensor,
} from "../src/tensor/index.ts";

const TIMEOUT = { timeout: 60_000 };
const [CLASSES, WIDTH] = [3, 64];

let clip: Clip;
let root: string;
before(async () => {
  await device();
  root = await mkdtemp(join(tmpdir(), "coop-fit-"));
  clip = await loadClip(join(import.meta.dirname, "../models/tiny-clip"));
});
after(() => rm(root, { recursive: true }));

/** Pictures whose class shows in their features, less so the larger the noise. */
function drawn(count: number, seed: number, noise = 1): Examples {
  const labels = Int32Array.from({ length: count }, (_, i) => i % CLASSES);
  const wave = (i: number) => Math.sin(12.9898 * (i + 1) * (seed + 1));
  const features = Float32Array.from(
    { length: count * WIDTH },
    (_, i) => noise * wave(i) + (i % WIDTH === labels[Math.floor(i / WIDTH)] ? 1 : 0),
  );
  return { features, labels };
}

interface Linear {
  readonly weight: Tensor;
  readonly rest: { readonly bias: Tensor };
}

/** A linear classifier: another tree than a prompt's. */
const classifier: Learner<Linear> = {
  init: (k) => ({
    weight: normal(k, [CLASSES, WIDTH], { std: 0.1 }),
    rest: { bias: tensor(new Float32Array(CLASSES)) },
  }),
  logits: ({ weight, rest }, { features }) => linear(features!, weight, rest.bias),
  loss: (params, batch) => crossEntropy(classifier.logits(params, batch), batch.labels),
};

const bytes = ({ weight, rest }: { weight: Float32Array; rest: { bias: Float32Array } }) => [...weight, ...rest.bias];

test("fitPrompt is CoOp's loop, to the bit", TIMEOUT, async () => {
  const learner = promptLearner(clip, ["cat", "dog", "bird"], { contextTokens: 3 });
  const { features, labels } = drawn(20, 1);
  const recipe = { epochs: 4, batchSize: 8, seed: 5 };
  const optimizer = sgd({ learningRate: 0.002, momentum: 0.9, weightDecay: 5e-4 });
  const data = { features: tensor(features, [20, WIDTH]), labels: tensor(labels) };
  const step = compile(
    (
      params: PromptParams,
      state: ReturnType<typeof optimizer.init>,
      all: typeof data,
      picked: Tensor,
      rate: number | Tensor,
    ) => {
      const batch = { features: gather(all.features, picked), labels: gather(all.labels, picked) };
      const [, grads] = valueAndGrad(learner.loss)(params, batch);
      return optimizer.update(grads, state, params, rate);
    },
    { donate: [0, 1] },
  );
  let params = learner.init(foldIn(key(recipe.seed), 0));
  let state = optimizer.init(params);
  for (let epoch = 0; epoch < recipe.epochs; epoch++)
    for (const batch of epochBatches(20, 8, recipe.seed, epoch))
      [params, state] = step(
        params,
        state,
        data,
        tensor(Int32Array.from(batch)),
        coopLearningRate(epoch, { epochs: 4, learningRate: 0.002 }),
      );
  assert.deepEqual(await fitPrompt(learner, { features, labels }, recipe), await params.context.data());
});

test("any tree is fitted: the loss falls, with either optimizer and smoothed labels", TIMEOUT, async () => {
  const examples = drawn(30, 2);
  for (const more of [{}, { optimizer: "adamw" }, { labelSmoothing: 0.3 }] as Partial<Recipe>[]) {
    const losses: number[] = [];
    const recipe = { epochs: 12, learningRate: 0.05, warmupLearningRate: 0.01, seed: 1, ...more };
    const fitted = await fitLearner(classifier, examples, recipe, { onEpoch: ({ loss }) => void losses.push(loss) });
    assert.equal(fitted.rest.bias.length, CLASSES);
    assert.ok(losses[11] < 0.8 * losses[0], `${JSON.stringify(more)}: ${losses}`);
  }
});

test("label smoothing is the cross entropy with targets (1 − s) + s/K and s/K", TIMEOUT, async () => {
  const { features, labels } = drawn(6, 3);
  let [smoothed, params] = [Number.NaN, undefined as Awaited<ReturnType<typeof toHost<Linear>>> | undefined];
  const recipe = { epochs: 1, batchSize: 6, seed: 1, labelSmoothing: 0.2, warmupLearningRate: 1e-30 };
  await fitLearner(classifier, { features, labels }, recipe, {
    onEpoch: async (epoch) => {
      [smoothed, params] = [epoch.loss, await toHost(epoch.params)];
    },
  });
  const terms = Array.from(labels, (label, i) => {
    const scores = Array.from({ length: CLASSES }, (_, k) =>
      Array.from({ length: WIDTH }, (_, d) => params!.weight[k * WIDTH + d] * features[i * WIDTH + d]).reduce(
        (a, b) => a + b,
      ),
    );
    const sum = Math.log(scores.reduce((total, s) => total + Math.exp(s), 0));
    return scores.reduce((loss, s, k) => loss - ((k === label ? 0.8 : 0) + 0.2 / CLASSES) * (s - sum), 0);
  });
  const expected = terms.reduce((a, b) => a + b) / 6;
  assert.ok(Math.abs(smoothed - expected) < 1e-5, `${smoothed} is not ${expected}`);
});

test("epoch e sees view e mod V", TIMEOUT, async () => {
  const [first, second] = [drawn(12, 4), drawn(12, 5)];
  const recipe = { epochs: 2, batchSize: 4, learningRate: 0.1, warmupLearningRate: 0.1, seed: 3 };
  const both = { ...first, features: Float32Array.from([...first.features, ...second.features]), views: 2 };
  const together = await fitLearner(classifier, both, recipe);

  let between: FitState<Linear> | undefined;
  await fitLearner(classifier, first, recipe, {
    onEpoch: async ({ params, optimizer, epoch }) => {
      const copy = async <T>(tree: T): Promise<T> => {
        const { weight, rest } = (await toHost(tree as Linear)) as Awaited<ReturnType<typeof toHost<Linear>>>;
        return { weight: tensor(weight, [CLASSES, WIDTH]), rest: { bias: tensor(rest.bias) } } as T;
      };
      const { velocity } = optimizer as { velocity: Linear };
      between = { params: await copy(params), optimizer: { velocity: await copy(velocity) }, epoch };
      return "stop" as const;
    },
  });
  const apart = await fitLearner(classifier, second, recipe, { from: between });
  assert.deepEqual(bytes(together), bytes(apart));
  await assert.rejects(
    fitLearner(classifier, { ...first, views: 5 }, recipe),
    /not the features of 12 pictures in 5 views/,
  );
});

test("early stopping keeps the first of the best", async () => {
  const values = [0.2, 0.5, 0.4, 0.5, 0.3];
  const stopping = earlyStopping<Tensor>(async (params) => values[await params.item()], 3);
  assert.equal(stopping.enough(1), false);
  for (let epoch = 1; epoch <= 5; epoch++) {
    assert.equal(await stopping.onEpoch({ epoch, params: tensor(epoch - 1) }), values[epoch - 1]);
    assert.equal(stopping.enough(epoch), epoch === 5);
  }
  assert.deepEqual([stopping.best?.epoch, stopping.best?.value, [...stopping.best!.params]], [2, 0.5, [1]]);
});

test("the meter counts right answers, in pieces as at once", TIMEOUT, async () => {
  const examples = drawn(31, 6, 1.5);
  const weight = Float32Array.from({ length: CLASSES * WIDTH }, (_, i) =>
    i % WIDTH === Math.floor(i / WIDTH) ? 1 : 0,
  );
  const params = { weight: tensor(weight, [CLASSES, WIDTH]), rest: { bias: tensor(new Float32Array(CLASSES)) } };
  const right = Array.from(examples.labels).filter((label, i) => {
    const row = examples.features.subarray(i * WIDTH, i * WIDTH + CLASSES);
    return row[label] === Math.max(...row);
  }).length;
  assert.ok(right > 12 && right < 31, `${right}`);
  for (const size of [7, 128]) {
    const meter = accuracyMeter(classifier, examples, size);
    assert.equal(await meter.of(params), right / 31);
    meter.free();
  }
});

describe("a training with its files", () => {
  const examples = drawn(24, 7, 3);
  const validation = { examples: drawn(12, 8, 3), patience: 6 };
  const train = (dir: string, recipe: Partial<Recipe>, run: Partial<TrainRun<Linear>> = {}) =>
    runTraining(
      classifier,
      examples,
      { epochs: 16, batchSize: 8, learningRate: 0.05, seed: 2, ...recipe },
      { dir: join(root, dir), settings: { seed: "2", shots: "8" }, ...run },
    );
  const untimed = (epochs: readonly { seconds?: number }[]) => epochs.map(({ seconds, ...line }) => line);

  for (const [name, recipe, more] of [
    ["sgd", {}, {}],
    ["adamw", { optimizer: "adamw" }, {}],
    ["early-stopping", {}, { validation }],
  ] as const) {
    test(`${name}: stopped and gone on with, it ends to the bit where it would have`, TIMEOUT, async () => {
      for (const dir of ["whole", "cut"]) await mkdir(join(root, `${name}-${dir}`));
      const whole = await train(`${name}-whole`, recipe, more);
      let resumed = 0;
      for (const at of [3, 4, 9]) {
        let epochs = 0;
        const part = await train(`${name}-cut`, recipe, {
          ...more,
          stop: () => epochs >= at,
          onEpoch: ({ epoch }) => void (epochs = epoch),
          onResume: () => void resumed++,
        });
        assert.equal(part.epochs.length, Math.min(at, whole.epochs.length));
      }
      const rest = await train(`${name}-cut`, recipe, { ...more, onResume: () => void resumed++ });
      assert.equal(resumed, 3);
      assert.deepEqual(bytes(rest.params), bytes(whole.params));
      assert.deepEqual(untimed(rest.epochs), untimed(whole.epochs));
      assert.equal(rest.keptEpoch, whole.keptEpoch);
      const seconds = rest.epochs.map((epoch) => epoch.seconds!);
      assert.deepEqual(
        seconds,
        seconds.toSorted((a, b) => a - b),
      );
      assert.match(await readFile(join(root, `${name}-cut`, "metrics.jsonl"), "utf8"), /^\{"step":1,"epoch":1,/);
    });
  }

  test("given up within an epoch and gone on with, it ends to the bit where it would have", TIMEOUT, async () => {
    for (const dir of ["at-once", "given-up"]) await mkdir(join(root, dir));
    const whole = await train("at-once", { epochs: 4 });
    const after: number[] = [];
    for (const last of [2, 4, 1]) {
      let steps = 0; // three make an epoch
      const part = await train("given-up", { epochs: 4 }, { giveUp: () => ++steps === last });
      assert.ok(part.stopped);
      after.push(part.epochs.length);
    }
    assert.deepEqual(after, [0, 1, 1]);
    const rest = await train("given-up", { epochs: 4 });
    assert.deepEqual(bytes(rest.params), bytes(whole.params));
    assert.deepEqual(untimed(rest.epochs), untimed(whole.epochs));
  });

  test("other settings than the checkpoint's are listed", TIMEOUT, async () => {
    await assert.rejects(
      train("sgd-cut", {}, { settings: { seed: "3", shots: "4" } }),
      /was made with seed 2, not 3; shots 8, not 4; go on with that/,
    );
  });
});

describe("where the class name stands", () => {
  /** Like CLIP's, with one token for ")." */
  const words = ["", "x", "(", ")", ".", ").", "kite", "bird", "dog"];
  const encode = (text: string) => (text.match(/\)\.|[a-z]+|[^\sa-z]/g) ?? []).map((word) => words.indexOf(word));
  const tokenizer = { encode, startToken: 90, endToken: 91 };
  const fake = { tokenizer, config: { text: { contextLength: 16 } } } as unknown as Clip;
  const laid = (position: Position, classSpecific = false) =>
    layoutPrompts(fake, ["kite_(bird)", "dog"], { contextTokens: 3, position, classSpecific }).map((row) =>
      row.map((place) => (typeof place === "number" ? (words[place] ?? place) : `v${place.vector}`)).join(" "),
    );

  test('a name that ends in ")" merges with the full stop, and takes it along', () => {
    assert.deepEqual(laid("end"), ["90 v0 v1 v2 kite ( bird ). 91", "90 v0 v1 v2 dog . 91"]);
    assert.deepEqual(laid("middle"), ["90 v0 kite ( bird ). v1 v2 91", "90 v0 dog v1 v2 . 91"]);
    assert.deepEqual(laid("front"), ["90 kite ( bird ). v0 v1 v2 91", "90 dog v0 v1 v2 . 91"]);
  });
  test("class-specific vectors are numbered on", () => {
    assert.deepEqual(laid("middle", true)[1], "90 v3 dog v4 v5 . 91");
  });
  test("words to begin with: their embeddings, again for each class where it has its own", TIMEOUT, async () => {
    const names = ["cat", "dog", "bird"];
    const ids = clip.tokenizer.encode("a photo of a");
    const embeddings = embedTokens(clip.params.text, tensor(Int32Array.from(ids)));
    const rows = [...((await embeddings.data()) as Float32Array)];
    const begun = async (classSpecific: boolean) => {
      const learner = promptLearner(clip, names, { initText: "a_photo of a", classSpecific });
      assert.equal(learner.contextTokens, ids.length);
      return [...((await learner.init(key(1)).context.data()) as Float32Array)];
    };
    assert.deepEqual(await begun(false), rows);
    assert.deepEqual(await begun(true), [...rows, ...rows, ...rows]);
  });
});
