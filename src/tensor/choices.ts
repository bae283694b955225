import type { Device } from "./device.ts";
import type { Choice } from "./kernel.ts";
import type { Dispatch } from "./launch.ts";
import type { KernelCall, Op } from "./op.ts";
import { refusedOn } from "./refused.ts";
import { readRemembered, writeRemembered } from "./remembered.ts";
import { environment } from "./runtime.ts";

/** The fastest kernel for calls that are alike, by adapter and then by kind of call. */
type Choices = Record<string, Record<string, string>>;

const NAME = "tuner";

let choices: Choices = {};

/** What COOP_TUNE says: 1 measures what is not known yet, 0 leaves aside what was measured before. */
export function tuning(): "measure" | "ignore" | "remember" {
  const asked = environment("COOP_TUNE");
  return asked === "1" ? "measure" : asked === "0" ? "ignore" : "remember";
}

/**
 * Calls of one kind share a choice: the same op and dtypes, the same axes of stride 1, and extents that round to the same
 * powers of two.
 */
export function kindOf(op: Op, { inputs }: KernelCall): string {
  const operands = inputs.map(({ dtype, shape, strides }) => {
    const extents = shape.map((n) => 2 ** Math.round(Math.log2(Math.max(1, n))));
    return `${dtype}[${extents}] ${strides.lastIndexOf(1) - shape.length}`;
  });
  return [op.name, ...operands].join(" ");
}

/** The name of the kernel that was fastest for calls of this kind. */
export const choiceOf = (adapter: string, op: Op, call: KernelCall): string | undefined =>
  tuning() === "ignore" ? undefined : choices[adapter]?.[kindOf(op, call)];

/** Everything that was chosen or refused for an adapter, as one text; undefined where choices are still being measured. */
export function choicesText(adapter: string): string | undefined {
  if (tuning() === "measure") return undefined;
  const refused = [...refusedOn(adapter)].sort();
  const chosen = tuning() === "ignore" ? {} : (choices[adapter] ?? {});
  return JSON.stringify(refused.length > 0 ? { ...chosen, refused } : chosen);
}

/** One kind of call, and how long each kernel took for one of them. */
export interface Measurement {
  /** Op, dtypes, rounded extents and orientation. */
  readonly call: string;
  readonly milliseconds: Readonly<Record<string, number>>;
  readonly fastest: string;
}

/** Measures the calls among dispatches that `known` says nothing about, one of each kind, and remembers the fastest. */
export async function measure(
  on: Device,
  dispatches: readonly Dispatch[],
  known: (choice: Choice) => boolean = () => false,
): Promise<Measurement[]> {
  const kinds = new Map<string, Dispatch>();
  for (const dispatch of dispatches) {
    const { choice } = dispatch;
    if (choice && !known(choice)) kinds.set(kindOf(choice.op, choice.call), dispatch);
  }
  const { timings } = await import("./measure.ts"); // needs nothing of what every page loads, so that that stays whole
  const measurements: Measurement[] = [];
  for (const [call, dispatch] of kinds) {
    const milliseconds = await timings(on, dispatch);
    const fastest = Object.keys(milliseconds).reduce((a, b) => (milliseconds[b] < milliseconds[a] ? b : a));
    measurements.push({ call, milliseconds, fastest });
  }
  if (measurements.length > 0)
    await remember(on.adapter, Object.fromEntries(measurements.map(({ call, fastest }) => [call, fastest])));
  return measurements;
}

/** Remembers choices, here and where the next process finds them. */
export async function remember(adapter: string, found: Readonly<Record<string, string>>): Promise<void> {
  choices = merged(choices, { [adapter]: found });
  await writeRemembered(NAME, merged(parse(await readRemembered(NAME)), { [adapter]: found }));
}

/** Brings back what was remembered. */
export async function recall(): Promise<void> {
  if (tuning() !== "ignore") choices = merged(parse(await readRemembered(NAME)), choices);
}

/** Forgets, in this process, what was remembered. */
export function forget(): void {
  choices = {};
}

/** What is no choice is left out. */
const parse = (found: object): Choices =>
  Object.fromEntries(
    Object.entries(found).map(([adapter, kinds]) => [
      adapter,
      Object.fromEntries(Object.entries(kinds ?? {}).filter(([, name]) => typeof name === "string")) as Choices[string],
    ]),
  );

const merged = (a: Choices, b: Choices): Choices =>
  Object.fromEntries([...Object.keys(a), ...Object.keys(b)].map((key) => [key, { ...a[key], ...b[key] }]));
