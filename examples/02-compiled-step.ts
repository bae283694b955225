// # A compiled training step
//
//     npx tsx examples/02-compiled-step.ts
//
// A small network learns two interleaved spirals. The whole step (forward, backward and the optimizer) is one function,
// which `compile` traces once and replays from then on.
import {
  adamw,
  argmax,
  cast,
  compile,
  cosine,
  crossEntropy,
  device,
  equal,
  free,
  type Key,
  key,
  linear,
  mean,
  mul,
  normal,
  splitKey,
  type Tensor,
  tanh,
  tensor,
  valueAndGrad,
  zeros,
} from "../src/index.ts";

// ## Data: 128 points on each of two spirals
const [points, labels] = (() => {
  const xy: number[][] = [];
  const arm: number[] = [];
  for (let i = 0; i < 256; i++) {
    const turn = Math.sqrt(((i >> 1) + 1) / 128) * 2.2 * Math.PI;
    const angle = turn + (i % 2) * Math.PI;
    xy.push([(turn * Math.cos(angle)) / 7, (turn * Math.sin(angle)) / 7]);
    arm.push(i % 2);
  }
  return [tensor(xy), tensor(Int32Array.from(arm))];
})();

// ## A model is a pure function of its parameters, and the parameters are a tree
const layer = (k: Key, from: number, to: number) => ({
  weight: normal(k, [to, from], { std: 1.5 / Math.sqrt(from) }),
  bias: zeros([to]),
});
const [k1, k2, k3] = splitKey(key(0), 3);
let params = { first: layer(k1, 2, 32), second: layer(k2, 32, 32), last: layer(k3, 32, 2) };
type Params = typeof params;

const logits = (p: Params, x: Tensor) => {
  const h1 = tanh(linear(mul(x, 3), p.first.weight, p.first.bias)); // [N, 32]
  const h2 = tanh(linear(h1, p.second.weight, p.second.bias)); // [N, 32]
  return linear(h2, p.last.weight, p.last.bias); // [N, 2]
};
const loss = (p: Params, x: Tensor, y: Tensor) => crossEntropy(logits(p, x), y);

// ## The step
//
// `donate` hands the memory of the old parameters and of the optimizer's state to the call: they are moved, and using
// them afterwards throws. A number among the arguments, such as the learning rate, is sent with every call.
const optimizer = adamw({ learningRate: 0.02, weightDecay: 1e-4 });
let state = optimizer.init(params);
const step = compile(
  (p: Params, s: typeof state, x: Tensor, y: Tensor, rate: number) => {
    const [value, gradient] = valueAndGrad(loss)(p, x, y);
    const [updated, next] = optimizer.update(gradient, s, p, rate);
    return [updated, next, value] as const;
  },
  { donate: [0, 1], name: "the training step" },
);

// Calls return at once and the work queues up on the device; only reading a loss waits for it.
const schedule = cosine(0.02, 300);
const before = params.first.weight;
const bytes: number[] = [];
for (let i = 0; i < 300; i++) {
  const [updated, next, value] = step(params, state, points, labels, schedule(i));
  [params, state] = [updated, next];
  if (i % 50 === 49) {
    console.log(`step ${i + 1}: loss ${(await value.item()).toFixed(4)}`);
    bytes.push((await device()).memory().bytes);
  }
  value.free();
}

// ## What came of it
const accuracy = mean(cast(equal(argmax(logits(params, points)), labels), "f32"));
console.log(`accuracy ${(100 * (await accuracy.item())).toFixed(1)} %`);

// The program can be looked at: how many kernels a step launches, and how much memory lies between them.
const [{ dispatches, plan }] = step.inspect();
console.log(`one step: ${dispatches.length} kernels, ${plan.slots.length} slots, ${plan.peakBytes} bytes between them`);
console.log(`device memory grew by ${bytes[5] - bytes[0]} bytes from step 50 to step 300`);

// The first parameters were donated to the first step.
try {
  await before.data();
} catch (error) {
  console.log(`${(error as Error).name}: ${(error as Error).message}`);
}
free([params, state, points, labels]);
step.free();
