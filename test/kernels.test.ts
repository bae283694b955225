import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { embedded, target } from "../scripts/embed-shaders.ts";
import { vjp } from "../src/autograd/grad.ts";
import { grid } from "../src/tensor/codegen.ts";
import { type CompileOptions, compile, device, full, read, type Tensor } from "../src/tensor/index.ts";
import { allOps, type Op } from "../src/tensor/op.ts";
import { readSources, references } from "../src/tensor/reference.ts";
import { leafOf, seen } from "./arguments.ts";
import { writtenBehind } from "./behind-results.ts";
import { MORE, SEED } from "./gpu-settings.ts";
import { CASES, type Call, type OpCase } from "./op-cases.ts";
import { norm, roundingErrors } from "./rounding.ts";

/** Kernels that a test here has run. */
const ran = new Set<string>();
/** In how many rows of workgroups those ran that count them, at most. */
const rows = new Map<string, number>();
let lanes = 0;

before(async () => {
  lanes = (await device()).subgroupLanes;
});

/** The op's values and gradients for several calls, with kernels chosen by these options. */
async function compute(kase: OpCase, calls: readonly Call[], options: CompileOptions): Promise<ArrayLike<number>[][]> {
  const leaves = calls.map((call) => call.args.map((argument) => leafOf(argument).leaf));
  const run = compile((all: Tensor[][]) => all.map((inputs, n) => graph(kase, calls[n], inputs)), {
    kernelsOnly: true,
    ...options,
  });
  const { value: values, bytes } = await writtenBehind(await device(), () => read(run(leaves)));
  assert.equal(bytes, 0, `${JSON.stringify(options)}: ${bytes} bytes behind the ends of results were written`);
  for (const { dispatches } of run.inspect())
    for (const { label, code, workgroups } of dispatches) {
      const names = label.split("+");
      for (const name of names) ran.add(name);
      if (code.includes("P.GRID")) rows.set(names[0], Math.max(workgroups[1], rows.get(names[0]) ?? 1));
    }
  return values as ArrayLike<number>[][];
}

/** The value of a call, then its gradients where it has any. */
function graph(kase: OpCase, call: Call, leaves: readonly Tensor[]): Tensor[] {
  const f = (xs: Tensor[]) =>
    kase.apply(
      xs.map((x, i) => seen(x, call.args[i])),
      call.attrs,
    );
  if (kase.order === 0) return [f([...leaves])];
  const floats = leaves.filter(({ dtype }) => dtype === "f32");
  const [y, pull] = vjp(
    (xs: Tensor[]) => f(leaves.map((leaf) => (leaf.dtype === "f32" ? xs[floats.indexOf(leaf)] : leaf))),
    floats,
  );
  return [y, ...pull(full(y.shape, 0.75))];
}

const callsOf = (kase: OpCase): Call[] =>
  fc
    .sample(fc.noBias(kase.calls), { numRuns: 200, seed: SEED + 1 })
    .filter(({ args }) => args.every(({ dtype }) => dtype !== "f16"))
    .slice(0, 8 * MORE);

/** The same with other numbers: what is not stored must not be found in a buffer that held it before. */
const anew = ({ args, attrs }: Call): Call => ({ args: args.map((one) => ({ ...one, seed: one.seed + 1 })), attrs });

/** The op gives what the float64 reference gives, whichever way it is computed. */
async function agree(kase: OpCase, ...ways: CompileOptions[]): Promise<void> {
  await agreeOn(kase, callsOf(kase), ...ways);
}

async function agreeOn(kase: OpCase, calls: readonly Call[], ...ways: CompileOptions[]): Promise<void> {
  const found: Awaited<ReturnType<typeof compute>>[] = [];
  for (const way of ways) found.push(await compute(kase, calls, way));
  for (const [n, call] of calls.entries()) {
    const made = call.args.map(leafOf);
    const roots = graph(
      kase,
      call,
      made.map(({ leaf }) => leaf),
    );
    const data = await readSources(roots, new Map(made.map(({ leaf, data }) => [leaf, data])));
    const exact = references(roots, data);
    const allowed = roundingErrors(roots, data, exact);
    exact.forEach((values, i) => {
      for (const [way, results] of found.entries()) {
        const error = norm(values.map((v, j) => results[n][i][j] - v));
        const told = `${JSON.stringify(ways[way])}, result ${i}: off by ${error}, ${allowed[i]} allowed`;
        assert.ok(error <= allowed[i], `${told}\n${JSON.stringify(call)}`);
      }
    });
  }
}

const kernelOps = allOps().flatMap((op) => (op.run.kind === "kernel" ? [{ op, run: op.run }] : []));
const usesSubgroups = ({ run }: Op): boolean => run.kind === "kernel" && run.kernels.some((k) => k.subgroup);

describe("kernels", { timeout: 300_000 }, () => {
  for (const { op, run } of kernelOps) {
    if (run.composed)
      test(`${op.name}: the kernel is its composed definition`, () =>
        agree(CASES[op.name], {}, { composedOnly: true }));
    if (usesSubgroups(op))
      test(`${op.name}: with subgroups and without`, () => agree(CASES[op.name], {}, { subgroupLanes: 0 }));
    if (!run.composed && !usesSubgroups(op))
      test(`${op.name}: compiled, at other shapes`, () => agree(CASES[op.name], {}));
    const apart = run.kernels.filter(({ subgroup }) => !subgroup);
    if (apart.length > 0)
      test(`${op.name}: one of its kernels without subgroups runs every call`, () => {
        assert.ok(apart.some(({ fits }) => !fits));
      });
    test(`${op.name}: in several rows of workgroups`, async () => {
      const { widest } = grid;
      grid.widest = 2;
      const kase = CASES[op.name];
      await agreeOn(kase, callsOf(kase).map(anew), {}).finally(() => {
        grid.widest = widest;
      });
    });
  }

  test("the shaders in the package are those of shaders/", () => {
    assert.ok(readFileSync(target, "utf8") === embedded(), "run npm run shaders");
  });

  after(() => {
    // matmul.test.ts and top-k.test.ts run every kernel of those ops
    const known = kernelOps
      .filter(({ op }) => op.name !== "matmul" && op.name !== "topKIndices")
      .flatMap(({ run }) => run.kernels.filter(({ subgroup = 0, suits }) => subgroup <= lanes && !suits));
    assert.deepEqual(
      known.map(({ name }) => name).filter((name) => !ran.has(name)),
      [],
      "kernels that no test here has run",
    );
    const alike = ({ run }: (typeof kernelOps)[number]) => run.kernels.flatMap(({ name }) => rows.get(name) ?? []);
    assert.deepEqual(
      kernelOps
        .filter(({ op }) => lanes >= 8 || !usesSubgroups(op)) // without them a workgroup does 64 rows, more than these have
        .filter((one) => alike(one).length > 0 && Math.max(...alike(one)) === 1)
        .map(({ op }) => op.name),
      [],
      "ops of which no kernel has run in several rows of workgroups",
    );
  });
});
