import { type GeneratedKernel, launchGenerated, type Names } from "./codegen.ts";
import type { DType } from "./dtype.ts";
import { type Finish, finishOf, fits, type Places, type Stored } from "./epilogue.ts";
import { buffersOf, costOf, type Expr, type VirtualBuffer } from "./expr.ts";
import type { Choice } from "./kernel.ts";
import type { Kernel } from "./op.ts";
import { finishedWork, sumOfWork, type Work } from "./work.ts";

/** One kernel launch of a program. */
export interface Dispatch {
  /** What it computes, for profiles and plans: op names joined by "+". */
  readonly label: string;
  readonly code: string;
  /** Contents of the uniform buffer bound last; absent where the sizes stand in the code. */
  readonly params?: ArrayBuffer;
  readonly workgroups: readonly [number, number, number];
  readonly reads: readonly VirtualBuffer[];
  readonly writes: readonly VirtualBuffer[];
  /** What is read and written, in the order of the bindings. */
  readonly bindings: readonly VirtualBuffer[];
  /** For profiles. */
  readonly work: Work;
  /** Where several kernels could do it. */
  readonly choice?: Choice & { readonly launch: (kernel: Kernel) => Rendered & { readonly label: string } };
}

type Rendered = Pick<Dispatch, "code" | "params" | "workgroups">;

/** A kernel before it is known what it stores. */
export interface Base {
  readonly label: string;
  readonly reads: readonly VirtualBuffer[];
  readonly buffer: VirtualBuffer;
  readonly dtype: DType;
  /** Elements of its output. */
  readonly count: number;
  /** How other ops are computed as it stores; absent where they cannot be. */
  readonly places?: Places;
  /** False where it is better to compute other ops in launches of their own. */
  readonly grows?: boolean;
  /** What it does without what is added. */
  readonly work: Work;
  /** One thing reads what it computes: where that is computed here too, the value itself is not stored. */
  readonly readOnce: boolean;
  /** Code that stores through `finish`, or as it computes. */
  readonly render?: (finish?: Finish, kernel?: Kernel) => Rendered;
  /** Instead of `render`: a generated kernel, which may stand side by side with others. */
  readonly generate?: (names: Names, finish?: Finish) => GeneratedKernel;
  readonly choice?: Choice;
}

/** A launch that still waits for more to store. */
interface Launch {
  readonly base: Base;
  readonly stored: Stored[];
  readonly labels: string[];
  /** The last node in order that could be computed here. */
  until: number;
  cost: number;
}

/** Operations in one kernel: chains of more, such as many steps that nobody read, are cut. */
export const LONGEST_EXPRESSION = 128;

/**
 * The launches of a program in the making. A launch waits until something reads its result from memory or nothing else
 * can be computed by it; what is added in the meantime is stored by the same kernel. A waiting launch reads nothing that
 * another waiting launch writes, so that any of them can go first.
 */
export class Launches {
  private readonly waiting = new Map<VirtualBuffer, Launch>();
  private readonly settled: Launch[] = [];

  /** @param fuses whether launches wait at all */
  constructor(
    private readonly maxBindings: number,
    private readonly fuses: boolean,
  ) {}

  start(base: Base, until: number): void {
    for (const buffer of base.reads) this.settle(buffer);
    const launch = { base, stored: [{ buffer: base.buffer, dtype: base.dtype }], labels: [base.label], until, cost: 0 };
    this.waiting.set(base.buffer, launch);
    if (!this.fuses || !base.places || base.grows === false) this.settle(base.buffer);
  }

  /** Whether a waiting launch computes one of the operands. */
  isWaitingFor(expr: Expr): boolean {
    return this.waiting.size > 0 && [...buffersOf(expr)].some((buffer) => this.waiting.has(buffer));
  }

  /** Lets the newest waiting launch that can compute the expression do so; false where none can. */
  extend(expr: Expr, buffer: VirtualBuffer, dtype: DType, count: number, label: string, until: number): boolean {
    const operands = buffersOf(expr);
    const candidates = new Set([...this.waiting].flatMap(([b, launch]) => (operands.has(b) ? [launch] : [])));
    const cost = costOf(expr);
    const launch = [...candidates].findLast((l) => this.canExtend(l, expr, operands, cost, count));
    if (!launch) return false;
    for (const operand of operands) if (this.waiting.get(operand) !== launch) this.settle(operand);
    launch.stored.push({ expr, buffer, dtype });
    launch.labels.push(label);
    launch.until = Math.max(launch.until, until);
    launch.cost += cost;
    this.waiting.set(buffer, launch);
    return true;
  }

  private canExtend(
    { base, stored, ...launch }: Launch,
    expr: Expr,
    operands: Set<VirtualBuffer>,
    cost: number,
    count: number,
  ): boolean {
    const inside = new Set(stored.map((s) => s.buffer));
    const outside = new Set([...operands, ...stored.flatMap((s) => (s.expr ? [...buffersOf(s.expr)] : []))]);
    for (const buffer of inside) outside.delete(buffer);
    const bound = base.reads.length + outside.size + stored.length + 1 - (base.readOnce ? 1 : 0);
    return (
      count === base.count &&
      bound <= this.maxBindings &&
      launch.cost + cost <= LONGEST_EXPRESSION &&
      fits(expr, inside, count, base.places!)
    );
  }

  /** Nothing more is added to the launch that writes this buffer. */
  settle(buffer: VirtualBuffer): void {
    const launch = this.waiting.get(buffer);
    if (!launch) return;
    for (const { buffer: written } of launch.stored) this.waiting.delete(written);
    this.settled.push(launch);
  }

  /** Settles the launches that no node after this one could join. */
  settleUntil(node: number): void {
    for (const [buffer, { until }] of this.waiting) if (until <= node) this.settle(buffer);
  }

  /** The list of launches; of what they compute, they store what another reads or what is a result. */
  finish(results: ReadonlySet<VirtualBuffer>): Dispatch[] {
    for (const buffer of [...this.waiting.keys()]) this.settle(buffer);
    const read = new Set(results);
    for (const { base, stored } of this.settled) {
      const own = new Set(stored.map(({ buffer }) => buffer));
      const operands = stored.flatMap(({ expr }) => (expr ? [...buffersOf(expr)] : []));
      for (const buffer of [...base.reads, ...operands]) if (!own.has(buffer)) read.add(buffer);
    }
    const isRead = (buffer: VirtualBuffer) => read.has(buffer);
    const useful = this.settled.filter(({ stored }) => stored.some(({ buffer }) => isRead(buffer)));
    const groups = this.fuses ? sideBySide(useful, this.maxBindings) : useful.map((launch) => [launch]);
    return groups.map((group) => dispatchOf(group, isRead));
  }
}

/** Elements of a generated kernel that is too small to fill a device. */
const SMALL = 2 ** 16;

/** What a launch reads besides the operands of its kernel. */
function addedOperands({ stored }: Launch): Set<VirtualBuffer> {
  const operands = new Set(stored.flatMap(({ expr }) => (expr ? [...buffersOf(expr)] : [])));
  for (const { buffer } of stored) operands.delete(buffer);
  return operands;
}

/**
 * Small generated kernels that need nothing of one another share a launch, the place of the first: the updates of many
 * parameters, say.
 */
function sideBySide(launches: readonly Launch[], maxBindings: number): Launch[][] {
  const groups: { readonly members: Launch[]; readonly open: boolean; bound: number }[] = [];
  const madeIn = new Map<VirtualBuffer, number>();
  for (const launch of launches) {
    const { base, stored } = launch;
    const added = addedOperands(launch);
    const after = Math.max(-1, ...[...base.reads, ...added].map((buffer) => madeIn.get(buffer) ?? -1));
    const bound = base.reads.length + added.size + stored.length;
    const open = base.generate !== undefined && base.count <= SMALL;
    let at = open ? groups.findIndex((g, n) => n > after && g.open && g.bound + bound <= maxBindings) : -1;
    if (at < 0) at = groups.push({ members: [], open, bound: 0 }) - 1;
    groups[at].members.push(launch);
    groups[at].bound += bound;
    for (const { buffer } of stored) madeIn.set(buffer, at);
  }
  return groups.map(({ members }) => members);
}

/** Launches side by side as one; several only where all are generated. */
function dispatchOf(launches: readonly Launch[], isRead: (buffer: VirtualBuffer) => boolean): Dispatch {
  let binding = 0;
  const parts = launches.map((launch, n) => {
    const names: Names = { tag: launches.length > 1 ? `k${n}` : "", binding };
    const part = partOf(launch, isRead, names);
    binding += part.bindings.length;
    return part;
  });
  const [{ base, labels }] = launches;
  const [{ finish }] = parts;
  const launch = (kernel?: Kernel) => ({
    label:
      launches.length > 1
        ? launches.map((one) => labelOf(one.labels)).join(" | ")
        : labelOf([kernel?.name ?? base.label, ...labels.slice(1)]),
    ...(base.render?.(finish, kernel) ?? launchGenerated(parts.map(({ kernel: generated }) => generated!))),
  });
  return {
    ...launch(),
    work: sumOfWork(parts.map(({ work }) => work)),
    choice: base.choice && { ...base.choice, launch },
    reads: [...new Set(parts.flatMap(({ reads }) => reads))],
    writes: parts.flatMap(({ writes }) => writes),
    bindings: parts.flatMap(({ bindings }) => bindings),
  };
}

function partOf({ base, stored }: Launch, isRead: (buffer: VirtualBuffer) => boolean, names: Names) {
  const finish =
    base.places && (stored.length > 1 || base.places.kind === "fields")
      ? finishOf(stored, isRead, names.binding + base.reads.length, base.places, names.tag)
      : undefined;
  const more = finish?.reads ?? [];
  const [first, ...others] = finish?.writes ?? [base.buffer];
  return {
    finish,
    kernel: base.generate?.(names, finish),
    reads: [...base.reads, ...more],
    writes: [first, ...others],
    bindings: [...base.reads, first, ...more, ...others],
    work: finishedWork(
      base,
      stored.flatMap(({ expr }) => expr ?? []),
      finish,
    ),
  };
}

/** The names of all ops once, in order; copies only where there is nothing else. */
const labelOf = (labels: readonly string[]): string =>
  [...new Set(labels.flatMap((name) => name.split("+")))].filter((name) => name !== "copy").join("+") || "copy";
