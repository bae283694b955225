import { device, deviceIfReady } from "./device.ts";
import { CoopError } from "./errors.ts";
import { evaluate, usedBy, whenUp } from "./evaluate.ts";
import type { Load, VirtualBuffer } from "./expr.ts";
import type { LowerOptions } from "./kernel.ts";
import { bytesOf, lower } from "./lower.ts";
import { type Plan, plan } from "./plan.ts";
import { optionsFor, Program } from "./program.ts";
import { matches, type Pattern, patternOf } from "./signature.ts";
import type { Storage } from "./storage.ts";
import { fromStorage, kindOf, PLACEHOLDER, Tensor } from "./tensor.ts";
import { forEachLeaf, isBranch, treeLeaves, treeMap } from "./tree.ts";
import { contiguous } from "./view.ts";
import type { Work } from "./work.ts";

/** Options of `compile`. Those of lowering are for tests and measurements: nobody else needs them. */
export interface CompileOptions
  extends Partial<
    Pick<LowerOptions, "adapter" | "composedOnly" | "kernelsOnly" | "subgroupLanes" | "choose" | "refused">
  > {
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
    readonly reads: readonly VirtualBuffer[];
    readonly writes: readonly VirtualBuffer[];
    /** What the launch does, counted: flops and bytes. */
    readonly work: Work;
  }[];
  readonly plan: Plan;
}

/** A compiled function: called as the plain one, with the same arguments. */
export interface Compiled<Args extends unknown[], Result> {
  (...args: Args): Result;
  /** The programs traced so far, for printing and for tests. */
  inspect(): ProgramReport[];
  /**
   * Bytes that a call with such arguments takes on the device: the arguments, what is computed in between, and the
   * results. Borrowed tensors, such as a model's weights, are not counted. Nothing runs.
   */
  bytes(...args: Args): Promise<number>;
  /** Gives back the memory that the programs hold. */
  free(): void;
}

/** A function run once on placeholders. */
interface Trace {
  readonly pattern: Pattern;
  /** Which of the tensors among the arguments are donated. */
  readonly donated: readonly number[];
  readonly roots: readonly Tensor[];
  /** Where the program finds the value of each placeholder. */
  readonly loads: ReadonlyMap<Tensor, Load>;
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
  if (typeof f !== "function") throw new CoopError(`compile: takes a function, not ${kindOf(f)}`);
  const { donate = [], name = f.name || "a compiled function", ...lowering } = options;
  /** The newest first. */
  const traces: Trace[] = [];

  const call = (...args: Args): Result => {
    if (inlining > 0) return f(...args);
    const tensors: Tensor[] = [];
    const numbers: number[] = [];
    const fits = ({ pattern }: Pick<Trace, "pattern">): boolean => {
      tensors.length = 0;
      numbers.length = 0;
      return matches(pattern, args, tensors, numbers);
    };
    const known = traces.find(fits);
    const pattern = known?.pattern ?? patternOf(args);
    if (!known) fits({ pattern });
    if (tensors.some((t) => t.op === PLACEHOLDER)) return f(...args);
    for (const t of tensors) t.storage?.assertUsable(name);
    if (!tensors.every(({ storage }) => storage)) evaluate(tensors);
    return replay(known ?? traced(args, pattern), args, tensors, numbers);
  };

  const traced = (args: Args, pattern: Pattern): Trace => {
    checkDonated(args, donate, name);
    const trace = traceOn(f, args, pattern, donate);
    traces.unshift(trace);
    return trace;
  };

  const replay = (trace: Trace, args: Args, tensors: readonly Tensor[], numbers: readonly number[]): Result => {
    const given = tensors.map((t) => t.storage!);
    const donated = trace.donated.map((i) => given[i]);
    if (new Set(donated).size < donated.length) checkDonated(args, donate, name);
    const storages = launch(trace, given, Float32Array.from(numbers));
    for (const storage of donated) storage.release(`a call of ${name} that it was donated to`);
    return rebuild(trace.result, storages) as Result;
  };

  const launch = (trace: Trace, given: readonly Storage[], numbers: Float32Array<ArrayBuffer>): Storage[] => {
    const where = `${name}, which closes over it`;
    if (trace.program && trace.program.device === deviceIfReady()) {
      for (const t of trace.program.lowered.borrowed.keys()) t.storage!.assertUsable(where);
      return trace.program.run(given, numbers);
    }
    return whenUp(trace.roots, [...given, ...usedBy(trace.roots, where)], (on) => {
      if (trace.program?.device !== on) trace.program = new Program(on, trace.roots, trace.loads, lowering, name);
      return trace.program.run(given, numbers);
    });
  };

  const bytes = async (...args: Args): Promise<number> => {
    const on = await device();
    const { roots, loads } = traceOn(f, args, patternOf(args), donate);
    const { dispatches, results } = lower(roots, loads, { ...optionsFor(on), ...lowering });
    const given = [...loads.values()].flatMap(({ buffer }) => (buffer.kind === "input" ? [buffer.bytes] : []));
    const all = [...given, ...plan(dispatches).slots, ...results.map(({ bytes }) => bytes)];
    return all.reduce((sum, n) => sum + Math.ceil(n / 256) * 256, 0);
  };

  return Object.assign(call, {
    bytes,
    inspect: () =>
      traces.toReversed().flatMap(({ program }) =>
        program
          ? [
              {
                dispatches: program.lowered.dispatches.map(({ label, workgroups, code, reads, writes, work }) => ({
                  label,
                  workgroups,
                  code,
                  reads,
                  writes,
                  work,
                })),
                plan: program.plan,
              },
            ]
          : [],
      ),
    free: () => {
      for (const { program } of traces) program?.release();
      traces.length = 0;
    },
  });
}

/** @throws CoopError where one tensor would be donated twice */
function checkDonated(args: readonly unknown[], positions: readonly number[], name: string): void {
  const storages = new Map<Storage, string>();
  for (const position of positions) {
    if (!(position in args))
      throw new CoopError(`${name}: argument ${position} is to be donated, but there are ${args.length}`);
    forEachLeaf(args[position], (leaf, path) => {
      if (!(leaf instanceof Tensor)) return;
      const where = `argument ${position}${path && `.${path}`}`;
      const before = storages.get(leaf.storage!);
      if (before)
        throw new CoopError(`${name}: ${where} and ${before} are the same tensor; only one of them can be donated`);
      storages.set(leaf.storage!, where);
    });
  }
}

/** Runs `f` on placeholders. */
function traceOn<Args extends unknown[]>(
  f: (...args: Args) => unknown,
  args: Args,
  pattern: Pattern,
  donate: readonly number[],
): Trace {
  const tensorsIn = (value: unknown) => treeLeaves(value).filter((leaf) => leaf instanceof Tensor).length;
  const donated = donate.flatMap((position) => {
    const before = tensorsIn(args.slice(0, position));
    return Array.from({ length: tensorsIn(args[position]) }, (_, i) => before + i);
  });
  let buffers = 0;
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
    const buffer: VirtualBuffer = { id: -2 - buffers++, kind: "input", bytes: bytesOf(shape, dtype), dtype };
    loads.set(t, { kind: "load", buffer, view: contiguous(shape), dtype });
    return t;
  }, args as unknown[]) as Args;
  const result = inline(() => f(...placeholders));
  if (result instanceof Promise) {
    result.catch(() => {});
    throw new CoopError("a compiled function must be synchronous, not return a Promise: read values outside it");
  }
  const roots = treeLeaves(result).filter((leaf) => leaf instanceof Tensor);
  let index = 0;
  const skeleton = treeMap((leaf: unknown) => (leaf instanceof Tensor ? new Result(index++, leaf) : leaf), result);
  return { pattern, donated, roots, loads, result: skeleton };
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

/** The result of a trace with storages in the place of what stands for them. */
function rebuild(skeleton: unknown, storages: readonly Storage[]): unknown {
  if (skeleton instanceof Result)
    return fromStorage(storages[skeleton.index], skeleton.like.shape, skeleton.like.dtype);
  if (Array.isArray(skeleton)) return skeleton.map((item) => rebuild(item, storages));
  if (!isBranch(skeleton)) return skeleton;
  const made: Record<string, unknown> = {};
  for (const key of Object.keys(skeleton)) made[key] = rebuild(skeleton[key], storages);
  return made;
}
