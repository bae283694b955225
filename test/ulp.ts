import fc from "fast-check";
import { read, tensor } from "../src/tensor/index.ts";
import { allOps } from "../src/tensor/op.ts";
import { readSources, references } from "../src/tensor/reference.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { type Argument, leafOf, mulberry, seen } from "./arguments.ts";
import { CASES } from "./op-cases.ts";

/** Fixed, so that one adapter gives the same table each time. */
const SEED = 20220901;
const CALLS = 8;

/** The ops of the table: those that compute floats. */
export const ULP_OPS: readonly string[] = Object.entries(CASES).flatMap(([name, { bound }]) => (bound ? [name] : []));

/**
 * The largest error of an op in units in the last place: of an elementwise op in those of each result, of any other in
 * those of the largest number of the result and the arguments, since sums may cancel.
 */
export async function ulpsOf(name: string): Promise<number> {
  const kase = CASES[name];
  const calls = fc
    .sample(fc.noBias(kase.calls), { numRuns: 200, seed: SEED })
    .filter(({ args, attrs }) => attrs.dtype === undefined && args.every(isPlain))
    .slice(0, CALLS);
  const made = calls.map(({ args, attrs }) => {
    const leaves = args.map(unevenLeaf);
    const output = kase.apply(
      leaves.map(({ leaf }, i) => seen(leaf, args[i])),
      attrs,
    );
    return { output, data: leaves.map(({ leaf, data }) => [leaf, data] as const) };
  });
  const outputs: Tensor[] = made.map(({ output }) => output);
  const got = await read(outputs);
  const exact = references(outputs, await readSources(outputs, new Map(made.flatMap(({ data }) => data))));
  // a case may end in other ops than its own
  const own = allOps().find((op) => op.name === name) ?? outputs[0].op;
  const perElement = own.run.kind === "expression";
  let worst = 0;
  exact.forEach((values, n) => {
    const largest = Math.max(most(values), ...made[n].data.map(([, data]) => most(data)));
    values.forEach((value, i) => {
      const unit = ulp(perElement ? value : largest);
      worst = Math.max(worst, Math.abs(got[n][i] - value) / unit);
    });
  });
  return worst;
}

const most = (values: Float64Array): number => values.reduce((a, v) => Math.max(a, Math.abs(v)), 0);

/** Half precision rounds differently, and what is computed before the op is rounded already. */
const isPlain = ({ dtype, views }: Argument): boolean =>
  dtype !== "f16" && views.every(({ kind }) => kind !== "compute");

/** An argument whose numbers use all digits that they have; those of the tests are so short that sums are exact. */
function unevenLeaf(argument: Argument): ReturnType<typeof leafOf> {
  const { leaf, data } = leafOf(argument);
  if (leaf.dtype !== "f32") return { leaf, data };
  const random = mulberry(argument.seed);
  const uneven = data.map((v) => Math.fround(v * (1 + random() / 32)));
  return { leaf: tensor(Float32Array.from(uneven), leaf.shape), data: uneven };
}

/** The distance of a float32 of this size from the next. */
const ulp = (value: number): number => 2 ** (Math.floor(Math.log2(Math.max(Math.abs(value), 2 ** -126))) - 23);
