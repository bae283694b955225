import fc from "fast-check";
import { dataOf, differenceError, normals, probe } from "../../src/autograd/check.ts";
import { jvp, valueAndGrad } from "../../src/autograd/grad.ts";
import { compile, free, read, type Tensor, tensor } from "../../src/tensor/index.ts";
import { readSources, references } from "../../src/tensor/reference.ts";
import { leavesOf, type ProgramSpec, program, runProgram } from "../../test/random-programs.ts";
import { norm, roundingErrors } from "../../test/rounding.ts";

/** How the values of random graphs in float32 on the device differ from float64 on the CPU. */
export interface GraphFigures {
  readonly graphs: number;
  readonly steps: number;
  readonly seed: number;
  /** Largest error of the float64 gradient against differences. */
  readonly differences: number;
  /** |value − exact| / max(|exact|, 0.1), and ‖gradient − exact‖ / max(‖exact‖, 0.1). */
  readonly value: Spread;
  readonly gradient: Spread;
  /** |⟨Jt, 1⟩ − ⟨Jᵀ1, t⟩| over the size of the terms, on the device. */
  readonly adjoint: Spread;
  /** Graphs beyond 1e-5, 1e-3 and 1e-4. */
  readonly over: { readonly value: number; readonly gradient: number; readonly adjoint: number };
  /** Graphs whose values or gradients differ by more than rounding each op explains. */
  readonly unexplained: number;
  /** The graph whose gradient is furthest off, as JSON. */
  readonly worst: string;
}

interface Spread {
  readonly median: number;
  readonly largest: number;
}

/** Of one graph. */
export interface GraphErrors {
  readonly spec: ProgramSpec;
  readonly differences: number;
  readonly value: number;
  readonly gradient: number;
  readonly adjoint: number;
  readonly explained: boolean;
}

const TOGETHER = 10;
/** Below this size errors count as they are. */
const FLOOR = 0.1;

/**
 * Compares random graphs of 5 to 30 steps without kinks: float64 gradients with differences, the device with float64, and
 * forward with backward derivatives on the device.
 *
 * @param from,count which of the graphs of the seed
 */
export async function compareGraphs(from: number, count: number, seed: number): Promise<GraphErrors[]> {
  const specs = fc.sample(fc.noBias(program(false)), { numRuns: from + count, seed }).slice(from);
  const errors: GraphErrors[] = [];
  for (let at = 0; at < specs.length; at += TOGETHER) {
    const some = specs.slice(at, at + TOGETHER);
    const made = some.map(leavesOf);
    const tangents = made.map(({ tensors }, n) => tensors.map((x) => tangentOf(x, at + n)));
    const run = compile((all: Tensor[][], along: Tensor[][]) =>
      some.map((spec, n) => {
        const loss = (xs: Tensor[]) => runProgram(spec, xs).loss;
        const [value, gradients] = valueAndGrad(loss)(all[n]);
        return [value, ...gradients, jvp(loss, all[n], along[n])[1]];
      }),
    );
    const results = run(
      made.map(({ tensors }) => tensors),
      tangents,
    );
    const got = (await read(results)) as Float32Array[][];
    free(results);
    run.free();
    for (const [n, spec] of some.entries()) {
      const { tensors, data } = made[n];
      const loss = (xs: Tensor[]) => runProgram(spec, xs).loss;
      const [value, gradients] = valueAndGrad(loss)(tensors);
      const roots = [value, ...gradients];
      const known = await readSources(roots, data);
      const exact = references(roots, known);
      const allowed = roundingErrors(roots, known, exact);
      const off = exact.map((values, i) => norm(values.map((v, j) => got[n][i][j] - v)));
      const along = await Promise.all(tangents[n].map((t) => t.data()));
      const terms = along.flatMap((t, i) => Array.from(t, (v, j) => v * got[n][i + 1][j]));
      const random = normals(1);
      const point = probe(loss, [tensors], random);
      errors.push({
        spec,
        differences: differenceError(point, await dataOf(point, data), random),
        value: off[0] / Math.max(FLOOR, norm(exact[0])),
        gradient: norm(off.slice(1)) / Math.max(FLOOR, norm(exact.slice(1).flatMap((g) => [...g]))),
        adjoint:
          Math.abs(got[n].at(-1)![0] - terms.reduce((a, b) => a + b, 0)) /
          Math.max(
            FLOOR,
            terms.reduce((a, b) => a + Math.abs(b), 0),
          ),
        explained: off.every((error, i) => error <= allowed[i]),
      });
    }
  }
  return errors;
}

/** What is told of many graphs. */
export function figuresOf(errors: readonly GraphErrors[], seed: number): GraphFigures {
  const spread = (of: (e: GraphErrors) => number): Spread => {
    const sorted = errors.map(of).sort((a, b) => a - b);
    return { median: sorted[sorted.length >> 1], largest: sorted.at(-1)! };
  };
  const beyond = (key: "value" | "gradient" | "adjoint", limit: number) =>
    errors.filter((e) => !(e[key] <= limit)).length;
  return {
    graphs: errors.length,
    steps: errors.reduce((sum, { spec }) => sum + spec.steps.length, 0),
    seed,
    differences: spread((e) => e.differences).largest,
    value: spread((e) => e.value),
    gradient: spread((e) => e.gradient),
    adjoint: spread((e) => e.adjoint),
    over: { value: beyond("value", 1e-5), gradient: beyond("gradient", 1e-3), adjoint: beyond("adjoint", 1e-4) },
    unexplained: errors.filter(({ explained }) => !explained).length,
    worst: JSON.stringify(errors.toSorted((a, b) => b.gradient - a.gradient)[0].spec),
  };
}

/** A direction, exact in float32. */
function tangentOf(x: Tensor, seed: number): Tensor {
  const random = normals(seed);
  return tensor(
    Float32Array.from({ length: x.size }, () => Math.round(64 * random()) / 64),
    x.shape,
  );
}
