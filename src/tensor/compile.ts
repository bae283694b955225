import { planText, programText } from "./debug.ts";
import { CoopError } from "./errors.ts";
import { evaluate, usedBy, whenUp } from "./evaluate.ts";
import type { Load, VirtualBuffer } from "./expr.ts";
import type { LowerOptions } from "./kernel.ts";
import { bytesOf } from "./lower.ts";
import type { Plan } from "./plan.ts";
import { Program } from "./program.ts";
import type { Storage } from "./storage.ts";
import { fromStorage, PLACEHOLDER, Tensor } from "./tensor.ts";
import { forEachLeaf, treeLeaves, treeMap, treeStructure } from "./tree.ts";
import { contiguous } from "./view.ts";

export interface CompileOptions extends Partial<Pick<LowerOptions, "composedOnly" | "subgroupLanes" | "choose">> {
  /** Positions of arguments whose memory the call takes over: using those tensors afterwards throws a DonatedError. */
  readonly donate?: readonly number[];
  /** Named in errors. */
  readonly name?: string;
}

/** What `inspect` tells of a compiled function. */
export interface ProgramReport {
  readonly dispatches: readonly {
    readonly label: string;
    readonly workgroups: readonly number[];
    readonly code: string;
  }[];
  readonly plan: Plan;
  /** The launches and the plan as lines of text. */
  toString(): string;
}

export interface Compiled<Args extends unknown[], Result> {
  (...args: Args): Result;
  /** The programs traced so far, for printing and for tests. */
  inspect(): ProgramReport[];
  /** Gives back the memory that the programs hold. */
  free(): void;
}

/** A function run once on placeholders. */
interface Trace {
  readonly roots: readonly Tensor[];
  /** Where the program finds the value of each placeholder. */
  readonly loads: ReadonlyMap<Tensor, Load>;
  /** The buffer of each tensor among the arguments, in order. */
  readonly buffers: readonly VirtualBuffer[];
  /** The result with a `Result` in place of each tensor. */
  readonly result: unknown;
  /** Made at the first call with the device up. */
  program?: Program;
}

let inlining = 0;

/** Runs `f` with every compiled function in it as the plain function that it is: while tracing and differentiating. */
export function inline<T>(f: () => T): T {
  inlining++;
  try {
    return f();
  } finally {
    inlining--;
  }
}

/**
 * Compiles a pure function of trees of tensors. It is traced once for each signature (structure, shapes, dtypes, and
 * every argument that is neither tensor nor number), then replayed: one planned set of buffers, cached pipelines and
 * bind groups. Numbers among the arguments are sent with every call and do not trace anew.
 *
 * The call returns at once; its results can be passed on, and reading them waits.
 *
 * @example
 * const step = compile((p, x) => sub(p, mul(grad(loss)(p, x), 0.1)), { donate: [0] });
 * p = step(p, x);
 */
export function compile<Args extends unknown[], Result>(
  f: (...args: Args) => Result,
  options: CompileOptions = {},
): Compiled<Args, Result> {
  const { donate = [], name = f.name || "a compiled function", ...lowering } = options;
  const traces = new Map<string, Trace>();

  const call = (...args: Args): Result => {
    const leaves = treeLeaves(args);
    if (inlining > 0 || leaves.some((leaf) => leaf instanceof Tensor && leaf.op === PLACEHOLDER)) return f(...args);
    const tensors = leaves.filter((leaf) => leaf instanceof Tensor);
    for (const t of tensors) t.storage?.assertUsable(name);
    evaluate(tensors);
    const signature = signatureOf(args, leaves);
    const donated = donatedBy(args, donate, name);
    const numbers = Float32Array.from(leaves.filter((leaf) => typeof leaf === "number"));

    const trace = traces.get(signature) ?? traceOn(f, args);
    traces.set(signature, trace);
    const given = new Map(trace.buffers.map((buffer, i) => [buffer, tensors[i].storage!]));
    const closedOver = usedBy(trace.roots, `${name}, which closes over it`);
    const storages = whenUp(trace.roots, [...given.values(), ...closedOver], (on) => {
      trace.program ??= new Program(on, trace.roots, trace.loads, lowering, name);
      return trace.program.run(given, numbers);
    });
    for (const storage of donated) storage.release(`a call of ${name} that it was donated to`);
    return rebuild(trace.result, storages) as Result;
  };

  return Object.assign(call, {
    inspect: () =>
      [...traces.values()].flatMap(({ program }) =>
        program
          ? [
              {
                dispatches: program.lowered.dispatches.map(({ label, workgroups, code }) => ({
                  label,
                  workgroups,
                  code,
                })),
                plan: program.plan,
                toString: () => `${programText(program.lowered)}\n${planText(program.plan)}`,
              },
            ]
          : [],
      ),
    free: () => {
      for (const { program } of traces.values()) program?.release();
      traces.clear();
    },
  });
}

function signatureOf(args: unknown[], leaves: readonly unknown[]): string {
  const kinds = leaves.map((leaf) => {
    if (leaf instanceof Tensor) return `${leaf.dtype}[${leaf.shape}]`;
    if (typeof leaf === "number") return "number";
    if (leaf === null || ["string", "boolean", "undefined", "bigint"].includes(typeof leaf))
      return `${typeof leaf} ${leaf}`;
    throw new CoopError(`a compiled function takes trees of tensors, numbers and plain values, not ${describe(leaf)}`);
  });
  return `${treeStructure(args)} ${kinds.join(" ")}`;
}

const describe = (value: unknown): string =>
  typeof value === "object" && value ? `a ${value.constructor?.name ?? "object"}` : `a ${typeof value}`;

function donatedBy(args: readonly unknown[], positions: readonly number[], name: string): Storage[] {
  const storages = new Map<Storage, string>();
  for (const position of positions) {
    forEachLeaf(args[position], (leaf, path) => {
      if (!(leaf instanceof Tensor)) return;
      const where = `argument ${position}${path && `.${path}`}`;
      const before = storages.get(leaf.storage!);
      if (before)
        throw new CoopError(`${name}: ${where} and ${before} are the same tensor; only one of them can be donated`);
      storages.set(leaf.storage!, where);
    });
  }
  return [...storages.keys()];
}

/** Runs `f` on placeholders. */
function traceOn<Args extends unknown[]>(f: (...args: Args) => unknown, args: Args): Trace {
  const buffers: VirtualBuffer[] = [];
  const loads = new Map<Tensor, Load>();
  const count = treeLeaves(args).filter((leaf) => typeof leaf === "number").length;
  const scalars: VirtualBuffer = { id: -1, kind: "scalars", bytes: 4 * count, dtype: "f32" };
  let scalar = 0;
  const placeholders = treeMap((leaf: unknown) => {
    if (typeof leaf === "number") {
      const t = new Tensor(PLACEHOLDER, [], { shape: [], dtype: "f32" }, [], "f32");
      loads.set(t, { kind: "load", buffer: scalars, view: { shape: [], strides: [], offset: scalar++ }, dtype: "f32" });
      return t;
    }
    if (!(leaf instanceof Tensor)) return leaf;
    const { shape, dtype } = leaf;
    const t = new Tensor(PLACEHOLDER, [], { shape, dtype }, shape, dtype);
    const buffer: VirtualBuffer = { id: -2 - buffers.length, kind: "input", bytes: bytesOf(shape, dtype), dtype };
    buffers.push(buffer);
    loads.set(t, { kind: "load", buffer, view: contiguous(shape), dtype });
    return t;
  }, args as unknown[]) as Args;
  const result = inline(() => f(...placeholders));
  if (result instanceof Promise) throw new CoopError("a compiled function must be synchronous: read values outside it");
  const roots = treeLeaves(result).filter((leaf) => leaf instanceof Tensor);
  let index = 0;
  const skeleton = treeMap((leaf: unknown) => (leaf instanceof Tensor ? new Result(index++, leaf) : leaf), result);
  return { roots, loads, buffers, result: skeleton };
}

/** Stands for a tensor in the result of a trace. */
class Result {
  constructor(
    readonly index: number,
    readonly like: Pick<Tensor, "shape" | "dtype">,
  ) {
    this.like = { shape: like.shape, dtype: like.dtype };
  }
}

const rebuild = (skeleton: unknown, storages: readonly Storage[]): unknown =>
  treeMap(
    (leaf: unknown) =>
      leaf instanceof Result ? fromStorage(storages[leaf.index], leaf.like.shape, leaf.like.dtype) : leaf,
    skeleton,
  );
