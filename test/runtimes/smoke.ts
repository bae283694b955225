// What must hold wherever coop runs. No test framework and nothing of Node's: the runtime brings the library as it
// imports it, and a way to read files.
import type * as Clip from "../../src/clip/index.ts";
import type * as Prompt from "../../src/coop/index.ts";
import type * as Coop from "../../src/index.ts";

/** What a runtime brings along. */
export interface Surroundings {
  readonly coop: typeof Coop;
  readonly clip: typeof Clip;
  readonly prompt: typeof Prompt;
  /** Folder or address of the model that the goldens were computed with. */
  readonly model: string;
  readonly loadOptions?: Clip.LoadOptions;
  /** The bytes of a golden file. */
  readFile(name: string): Promise<Uint8Array<ArrayBuffer>>;
}

export interface Verdict {
  readonly name: string;
  readonly ok: boolean;
  /** What was measured, or the error. */
  readonly detail: string;
}

const FORWARD = 2e-5;
const GRADIENT = 5e-5;

/** Runs everything, one after the other, and never throws; without an adapter there is one verdict, its error. */
export async function smoke(surroundings: Surroundings): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const [name, check] of Object.entries(CHECKS)) {
    try {
      verdicts.push({ name, ok: true, detail: await check(surroundings) });
    } catch (error) {
      const { name: kind, message, stack = "" } = error as Error;
      const lost = name === "adapter";
      verdicts.push({ name, ok: false, detail: lost ? `${kind}: ${message}` : `${kind}: ${message}\n${stack}` });
      if (lost) break;
    }
  }
  return verdicts;
}

const CHECKS: Record<string, (surroundings: Surroundings) => Promise<string>> = {
  adapter,
  gradients,
  towers,
  step,
  loss,
};

async function adapter({ coop }: Surroundings): Promise<string> {
  return (await coop.device()).description;
}

async function gradients({ coop }: Surroundings): Promise<string> {
  const { grad, matmul, mean, square, sum, tensor } = coop;
  const x = tensor([
    [1, 2],
    [3, 4],
  ]);
  const loss = (w: Coop.Tensor) => mean(square(matmul(x, w)));
  const slope = grad(loss)(tensor([0.5, -1]));
  const cube = (t: Coop.Tensor) => sum(coop.mul(t, square(t)));
  const second = grad((t: Coop.Tensor) => sum(grad(cube)(t)))(tensor([1, 2, 3]));
  const [first, twice] = [[...(await slope.data())], [...(await second.data())]];
  expect(`${first}` === "-9,-13", `the gradient is ${first}, not -9,-13`);
  expect(`${twice}` === "6,12,18", `the second derivative of x³ is ${twice}, not 6,12,18`);
  return `${first}; ${twice}`;
}

async function towers(surroundings: Surroundings): Promise<string> {
  const { coop } = surroundings;
  const { model, arrays, cases } = await load(surroundings, "clip");
  const images = coop.tensor(arrays.image.data, arrays.image.shape);
  const texts = model.tokenize(cases.texts);
  const ids = arrays.token_ids.data;
  expect(
    texts.ids.every((id, i) => id === ids[i]),
    "the texts have other tokens",
  );
  const [seen, said] = await coop.read([model.encodeImage(images), model.encodeText(texts)]);
  const errors = [distance(seen, arrays.image_features.data), distance(said, arrays.text_features.data)];
  expect(
    errors.every((error) => error < FORWARD),
    `features are ${errors} off`,
  );
  return `features within ${Math.max(...errors).toExponential(1)}`;
}

const RATE = 0.5;
const CASE = "coop-unified-end-4";

/** A compiled step whose loss, gradient and update are the reference's, and whose memory comes back. */
async function step(surroundings: Surroundings): Promise<string> {
  const { coop, prompt } = surroundings;
  const { model, arrays, cases } = await load(surroundings, CASE);
  const { tensor, valueAndGrad } = coop;
  const device = await coop.device();
  const before = device.memory().byOwner.programs;

  const learner = prompt.promptLearner(model, cases.class_names, { contextTokens: 4 });
  const optimizer = coop.sgd({ learningRate: RATE, momentum: 0.9 });
  const train = coop.compile(
    (params: Prompt.PromptParams, state: ReturnType<typeof optimizer.init>, batch: Prompt.PromptBatch) => {
      const [loss, grads] = valueAndGrad(learner.loss)(params, batch);
      const [updated, next] = optimizer.update(grads, state, params);
      return { updated, next, loss, slope: grads.context };
    },
    { donate: [0, 1] },
  );

  const features = tensor(arrays.features.data, arrays.features.shape);
  const labels = tensor(Int32Array.from(arrays.labels.data));
  const start: Prompt.PromptParams = { context: tensor(arrays.ctx.data, arrays.ctx.shape) };
  let { updated, next, loss, slope } = train(start, optimizer.init(start), { features, labels });
  const [lossValue, slopes, context] = await coop.read([loss, slope, updated.context]);
  const expected = arrays.ctx.data.map((x, i) => x - RATE * arrays.grad_ctx.data[i]);
  const errors = {
    loss: Math.abs(lossValue[0] - cases.cases[CASE].loss) / cases.cases[CASE].loss,
    gradient: distance(slopes, arrays.grad_ctx.data),
    update: distance(context, expected),
  };
  const told = Object.entries(errors).map(([what, error]) => `${what} within ${error.toExponential(1)}`);
  expect(errors.loss < FORWARD && errors.gradient < GRADIENT && errors.update < GRADIENT, told.join(", "));

  const sizes: number[] = [];
  const losses = [lossValue[0]];
  for (let i = 0; i < 3; i++) {
    coop.free([loss, slope]);
    ({ updated, next, loss, slope } = train(updated, next, { features, labels }));
    losses.push((await coop.read([loss]))[0][0]);
    sizes.push(device.memory().bytes);
  }
  expect(
    sizes.every((bytes) => bytes === sizes[0]),
    `the steps held ${sizes} bytes`,
  );
  expect(
    losses.every((value, i) => i === 0 || value < losses[i - 1]),
    `the loss went ${losses}`,
  );

  const held = coop.treeLeaves([updated, next, loss, slope, features, labels]) as Coop.Tensor[];
  const bytes = held.reduce((total, { size }) => total + 256 * Math.ceil((4 * size) / 256), 0);
  const full = device.memory().byOwner.values;
  coop.free(held);
  train.free();
  const { values, programs } = device.memory().byOwner;
  expect(full - values >= bytes, `${full - values} of ${bytes} bytes of values were given back`);
  expect(programs <= before, `programs hold ${programs - before} bytes more than before`);
  return `${told.join(", ")}; ${bytes} bytes of values and all of the program given back`;
}

/** A lost device is an error that says so, and after `release` there is another. */
async function loss({ coop }: Surroundings): Promise<string> {
  const device = await coop.device();
  device.gpu.destroy();
  await device.gpu.lost;
  const two = () => coop.add(coop.tensor([1]), 1).data();
  const told = await two().then(
    () => "nothing",
    (error: Error) => `${error.name}: ${error.message}`,
  );
  expect(/^DeviceLostError: the GPU device was lost: ./.test(told), `a lost device said ${told}`);
  device.release();
  expect((await two())[0] === 2, "the next device computes something else");
  return told;
}

interface GoldenArray {
  readonly shape: number[];
  readonly data: Float32Array<ArrayBuffer>;
}

interface Cases {
  readonly texts: string[];
  readonly class_names: string[];
  readonly cases: Record<string, { loss: number }>;
}

let loaded: Promise<Clip.Clip> | undefined;

/** The model and the arrays of a golden file; integers too come as float32. */
async function load({ clip, model, loadOptions, readFile }: Surroundings, name: string) {
  const ready = await (loaded ??= clip.loadClip(model, loadOptions));
  const bytes = await readFile(`${name}.safetensors`);
  const cases = JSON.parse(new TextDecoder().decode(await readFile("cases.json"))) as Cases;
  const source = {
    name,
    size: bytes.length,
    read: async (offset: number, length: number) => bytes.slice(offset, offset + length),
  };
  const { tensors, read } = await clip.openSafetensors(source);
  const arrays: Record<string, GoldenArray> = {};
  for (const [key, { dtype, shape }] of tensors) {
    const { buffer } = (await read(key)).slice();
    const numbers =
      dtype === "F32"
        ? new Float32Array(buffer)
        : dtype === "I64"
          ? Float32Array.from(new BigInt64Array(buffer), Number)
          : Float32Array.from(new Int32Array(buffer));
    arrays[key] = { shape: [...shape], data: numbers };
  }
  return { model: ready, arrays, cases };
}

/** ‖a − b‖ / ‖b‖. */
function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [difference, length] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    length += b[i] ** 2;
  }
  return a.length === b.length ? Math.sqrt(difference / length) : Number.POSITIVE_INFINITY;
}

function expect(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise);
}
