// # Tensors and gradients
//
//     npx tsx examples/01-tensors-and-gradients.ts
//
// In a project of your own, import from "coop" what is imported here from "../src/index.ts".
import {
  add,
  grad,
  jvp,
  key,
  matmul,
  mean,
  mul,
  normal,
  read,
  square,
  sub,
  sum,
  tanh,
  tensor,
  vjp,
} from "../src/index.ts";

// ## A tensor is a node of a graph
//
// Ops are free functions with NumPy's names and broadcasting rules. They check shapes at once and compute nothing:
// `y` below is a node with a shape and no value.
const x = tensor([
  [1, 2],
  [3, 4],
]);
const y = add(matmul(x, x), 1);
console.log("a node:", String(y));

// Reading a value computes it, on the GPU if there is one. It arrives as a typed array, row by row.
console.log("x·x + 1 =", [...(await y.data())]);

// Shapes that do not fit are refused where the op is applied, not later where it runs.
try {
  matmul(x, tensor([1, 2, 3]));
} catch (error) {
  console.log("refused:", (error as Error).message);
}

// ## Gradients are functions made from functions
//
// `grad(f)` is the function that computes ∂f/∂(first argument). The first argument may be a tree: an object or array
// of tensors. Here f(w) = Σ w³, so that its gradient is 3w² and the gradient of Σ f′ is 6w.
const cubes = (w: typeof x) => sum(mul(w, square(w)));
const slope = grad(cubes);
const curvature = grad((w: typeof x) => sum(slope(w)));
console.log("3x² =", [...(await slope(x).data())]);
console.log("6x =", [...(await curvature(x).data())]);

// `vjp` gives wᵀJ for any w, `jvp` gives J t for any direction t. Both know the same Jacobian J, so wᵀ(J t) must
// come out the same either way.
const squash = (v: typeof x) => tanh(matmul(x, v));
const [direction, weights, at] = [normal(key(1), [2, 2]), normal(key(2), [2, 2]), normal(key(3), [2, 2])];
const [, pull] = vjp(squash, at);
const [, pushed] = jvp(squash, at, direction);
const [left, right] = await read([sum(mul(pull(weights), direction)), sum(mul(weights, pushed))]);
console.log("wᵀ(J t) =", left[0].toFixed(5), "=", right[0].toFixed(5));

// ## A fit
//
// Random numbers come from a key: the same key, the same numbers. These are 64 noisy points of the line 3t − 2.
const t = normal(key(4), [64]);
const seen = add(sub(mul(t, 3), 2), normal(key(5), [64], { std: 0.1 }));

// The parameters are a tree, and so is the gradient. Reading the values in between turns them into plain data;
// 02-compiled-step.ts does the same steps as one compiled program.
const loss = (p: { slope: typeof x; offset: typeof x }) => mean(square(sub(add(mul(p.slope, t), p.offset), seen)));
let line = { slope: tensor(0), offset: tensor(0) };
for (let i = 0; i < 40; i++) {
  const g = grad(loss)(line);
  const next = { slope: sub(line.slope, mul(g.slope, 0.2)), offset: sub(line.offset, mul(g.offset, 0.2)) };
  await read(next);
  line = next;
}
console.log(`fitted: ${(await line.slope.item()).toFixed(2)} t + ${(await line.offset.item()).toFixed(2)}`);
