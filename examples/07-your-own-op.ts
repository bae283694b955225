// # Your own op
//
//     npx tsx examples/07-your-own-op.ts
//
// Most new functions need no op: written in terms of others, they fuse and differentiate by themselves. An op is for
// what cannot be said well that way. Here it is a sum that runs along a row and forgets, yₜ = xₜ + decay · yₜ₋₁: each of
// its values needs the one before.
import {
  apply,
  compile,
  defineOp,
  flip,
  key,
  minimize,
  mul,
  normal,
  type Op,
  ShapeError,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
  zeros,
} from "../src/index.ts";
import { checkOp } from "../src/testing.ts";

// ## The kernel: WGSL, one invocation a row
//
// Sizes arrive in `Params`, so that one pipeline serves all shapes. A kernel that stores through `finish` lets the ops
// behind it be computed as it stores.
const source = `
struct Params { ROWS: u32, WIDTH: u32, DECAY: f32 }
@group(0) @binding(0) var<storage, read> x: array<In0>;
@group(0) @binding(1) var<storage, read_write> y: array<Out>;
@group(0) @binding(2) var<uniform> P: Params;

@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= P.ROWS) { return; }
  var sum = 0.0;
  for (var t = 0u; t < P.WIDTH; t++) {
    let i = id.x * P.WIDTH + t;
    sum = fma(P.DECAY, sum, x[i]);
    y[i] = finish(sum, i, t);
  }
}`;
const sizes = (shape: readonly number[]) => {
  const WIDTH = shape[shape.length - 1];
  return { WIDTH, ROWS: shape.reduce((count, extent) => count * extent, 1) / WIDTH };
};

// ## The record: shape rule, value in float64, gradient, how it runs
//
// What a value adds to all later ones, a gradient gathers from all later ones: the same sum, run backwards. Since that
// is the op itself, gradients of gradients follow.
const RUNNING_SUM: Op = defineOp({
  name: "runningSum",
  result: ([x]) => {
    if (x.shape.length > 0 && x.dtype === "f32") return x;
    throw new ShapeError(`runningSum: takes f32 [..., T], not ${x.dtype} [${x.shape}]`);
  },
  reference: ([x], { decay }) => {
    const y = x.data.slice();
    for (let i = 0; i < y.length; i++) if (i % sizes(x.shape).WIDTH > 0) y[i] += Number(decay) * y[i - 1];
    return y;
  },
  vjp: ({ g, attrs }) => flip(apply(RUNNING_SUM, [flip(g, [-1])], attrs), [-1]),
  run: {
    kind: "kernel",
    kernels: [
      {
        name: "running-sum",
        source,
        params: ({ output, attrs }) => ({ ...sizes(output.shape), DECAY: Number(attrs.decay) }),
        workgroups: ({ output }) => [Math.ceil(sizes(output.shape).ROWS / 64), 1, 1],
      },
    ],
  },
});

/** yₜ = xₜ + decay · yₜ₋₁ along the last axis of f32 [..., T]. */
const runningSum = (x: Tensor, decay: number) => apply(RUNNING_SUM, [x], { decay });

const echo = runningSum(tensor([0, 8, 0, 0, 1]), 0.5);
console.log(`${echo}: ${[...(await echo.data())].join(" ")}`);

// ## The check: kernel and gradient against float64
//
// A gradient that forgets to run backwards gives numbers too; this tells that they are wrong.
const x = normal(key(1), [5, 33]);
const { values, gradients } = await checkOp(RUNNING_SUM, [x], { decay: 0.9 });
console.log(`relative error of the kernel ${values["running-sum"].toExponential(0)}`);
console.log(
  `of the gradient ${gradients?.differences[0].toExponential(0)}, on the GPU ${gradients?.gpu.toExponential(0)}`,
);
const forgetful: Op = { ...RUNNING_SUM, vjp: ({ g, attrs }) => apply(RUNNING_SUM, [g], attrs) };
await checkOp(forgetful, [x], { decay: 0.9 }).catch((error: Error) => console.log(`refused: ${error.message}`));

// ## It is fused like any other: a moving average is one launch
const average = compile((signal: Tensor) => mul(runningSum(signal, 0.9), 0.1));
await average(x).data();
console.log(
  "launches:",
  average
    .inspect()[0]
    .dispatches.map(({ label }) => label)
    .join(", "),
);

// ## And differentiated like any other: which signal has this average?
const signal = Float32Array.from({ length: 64 }, (_, t) => (t === 20 ? 3 : t === 40 ? -2 : 0));
const blurred = average(tensor(signal, [1, 64]));
const found = await minimize((guess: Tensor) => sum(square(sub(average(guess), blurred))), zeros([1, 64]));
const pulses = [...(await found.params.data())].flatMap((v, t) => (Math.abs(v) > 0.1 ? `${v.toFixed(2)} at ${t}` : []));
console.log(`found in ${found.iterations} iterations: ${pulses.join(", ")}`);
