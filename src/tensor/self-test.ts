import { choicesText } from "./choices.ts";
import { compile } from "./compile.ts";
import { type Device, device } from "./device.ts";
import { allOps, type KernelCall } from "./op.ts";
import { referenceOf } from "./reference.ts";
import { refuse } from "./refused.ts";
import { generatedCases, kernelCases, type SelfTestCase } from "./self-test-cases.ts";
import { free } from "./values.ts";

/** How one kernel did on this adapter. */
export interface SelfTest {
  readonly name: string;
  /** The op that the kernel computes; absent for generated kernels. */
  readonly op?: string;
  /** ‖GPU − float64‖ / ‖float64‖; NaN where the result is not finite or the kernel failed. */
  readonly error: number;
  readonly allowed: number;
  readonly passed: boolean;
}

/** What came of a self-test. */
export interface SelfTestReport {
  readonly tests: readonly SelfTest[];
  /** Kernels that gave wrong numbers. They are not used on this adapter any more, until a self-test finds them right. */
  readonly refused: readonly string[];
  /** The ops of these, computed by what is left. */
  readonly fallbacks: readonly SelfTest[];
  /** Whether what will be used is right. */
  readonly ok: boolean;
}

/**
 * Runs every kernel that this adapter would use on small inputs, generated ones and each variant of the others, compares
 * them with float64 on the CPU, and refuses those that are wrong: what is next in line takes their place, or the op's
 * definition in simpler ops.
 */
export async function selfTest(): Promise<SelfTestReport> {
  const on = await device();
  const cases = await kernelCases(on);
  const tests = await run(generatedCases().map((kase) => ({ kase })));
  const refused = new Set<string>();
  const tested = new Set<string>();
  for (let wrong: readonly SelfTest[] | undefined; !wrong || wrong.length > 0; ) {
    const next = trialsOf(on, cases, refused).filter(({ kernel }) => !tested.has(kernel!));
    const found = worst(await run(next));
    for (const { kernel } of next) tested.add(kernel!);
    tests.push(...found);
    wrong = found.filter(({ passed }) => !passed);
    for (const { name } of wrong) refused.add(name);
  }
  await refuse(on.adapter, [...refused]);
  const affected = new Set(tests.flatMap(({ name, op }) => (refused.has(name) ? [op] : [])));
  const fallbacks = worst(await run(cases.filter(({ op }) => affected.has(op)).map((kase) => ({ kase }))));
  const ok = [...tests.filter(({ op }) => !op), ...fallbacks].every(({ passed }) => passed);
  return { tests, refused: [...refused], fallbacks, ok };
}

interface Trial {
  readonly kase: SelfTestCase;
  /** Instead of the one that would be taken. */
  readonly kernel?: string;
}

/** Each case with each kernel that would be taken for one call or another of its op. */
function trialsOf(on: Device, cases: readonly SelfTestCase[], refused: ReadonlySet<string>): Trial[] {
  const adapter = on.isSoftware ? "software" : "hardware";
  const chosen = choicesText(on.adapter) ?? "";
  const calls = [4096, 16, 4].map((n): KernelCall => {
    const output = { shape: [n, n], dtype: "f32" } as const;
    const operand = { ...output, strides: [n, 1], offset: 0 };
    return { inputs: [operand, operand], output, attrs: { k: 3 } };
  });
  return cases.flatMap((kase) => {
    const { run } = allOps().find(({ name }) => name === kase.op)!;
    const trials: Trial[] = [];
    let settled = false; // by a kernel that takes every call
    for (const kernel of run.kind === "kernel" ? run.kernels : []) {
      if ((kernel.subgroup ?? 0) > on.subgroupLanes || refused.has(kernel.name)) continue;
      const suits = calls.filter((call) => kernel.suits?.(call, adapter) ?? true).length;
      if ((!settled && suits > 0) || chosen.includes(`"${kernel.name}"`)) trials.push({ kase, kernel: kernel.name });
      settled ||= !kernel.fits && !kernel.applies && suits === calls.length;
    }
    return trials;
  });
}

/** Trials whose kernel fits the case; the others are left out. */
async function run(trials: readonly Trial[]): Promise<SelfTest[]> {
  const expected = await referenceOf(trials.map(({ kase }) => kase.value));
  const tests = await Promise.all(
    trials.map(async ({ kase, kernel }, i): Promise<SelfTest | undefined> => {
      const { value, allowed, op } = kase;
      const computed = compile(
        () => value,
        kernel ? { choose: (o) => (o.name === op ? kernel : undefined), kernelsOnly: true, refused: new Set() } : {},
      );
      const name = kernel ?? kase.name;
      try {
        const result = computed();
        const error = distance(await result.data(), expected[i]);
        free(result);
        const labels = computed.inspect().flatMap(({ dispatches }) => dispatches.map(({ label }) => label));
        if (kernel && !labels.some((label) => label.split(/ \| |\+/).includes(kernel))) return undefined;
        return { name, op, error, allowed, passed: error <= allowed };
      } catch {
        return { name, op, error: Number.NaN, allowed, passed: false };
      } finally {
        computed.free();
      }
    }),
  );
  return tests.filter((test) => test !== undefined);
}

/** Of several tests of one name, the worst. */
function worst(tests: readonly SelfTest[]): SelfTest[] {
  const byName = new Map<string, SelfTest>();
  for (const test of tests) {
    const before = byName.get(test.name);
    if (!before || !(test.error <= before.error)) byName.set(test.name, test);
  }
  return [...byName.values()];
}

function distance(got: ArrayLike<number>, expected: Float64Array): number {
  let difference = 0;
  let length = 0;
  for (let i = 0; i < expected.length; i++) {
    // what the device stores is float32: only what it adds to that rounding counts
    difference += (got[i] - (Number.isInteger(expected[i]) ? expected[i] : Math.fround(expected[i]))) ** 2;
    length += expected[i] ** 2;
  }
  return Math.sqrt(difference / Math.max(length, Number.MIN_VALUE));
}
