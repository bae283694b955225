import { compile } from "../tensor/compile.ts";
import { isFloat } from "../tensor/dtype.ts";
import type { Attrs, Op } from "../tensor/op.ts";
import { referenceOf } from "../tensor/reference.ts";
import { apply, type Tensor } from "../tensor/tensor.ts";
import { type CheckOptions, checkGradients, distance, type GradientReport, refuse } from "./check.ts";

/** The relative errors that `checkOp` found. */
export interface OpReport {
  /** Of the value on the GPU against float64, for each way to compute it: kernels by name, "composed", "expression". */
  readonly values: Readonly<Record<string, number>>;
  /** Of the gradients; absent where there is nothing to differentiate. */
  readonly gradients?: GradientReport;
}

/**
 * Checks an op at a point: its value on the GPU against its float64 reference, by each of its kernels that can run here
 * and by its composed definition, then its gradients (see `checkGradients`).
 *
 * Try shapes with extents such as 1, 33 and 65, which are no multiples of a workgroup or a subgroup.
 *
 * @param inputs tensors to apply it to, whose values lie where it is smooth
 * @param options `gpuTolerance` holds for values too
 * @throws CoopError naming the kernel or the gradient that is off
 * @example await checkOp(SOFTPLUS, [normal(key(0), [5, 33])], {}, { order: 2 });
 */
export async function checkOp(
  op: Op,
  inputs: readonly Tensor[],
  attrs: Attrs = {},
  options: CheckOptions = {},
): Promise<OpReport> {
  const call = (...xs: Tensor[]) => apply(op, xs, attrs);
  const output = call(...inputs);
  const [exact] = await referenceOf([output]);
  const values: Record<string, number> = {};
  for (const way of waysOf(op)) {
    const composedOnly = way === "composed";
    const run = compile(call, { composedOnly, kernelsOnly: true, choose: (o) => (o === op ? way : undefined) });
    const result = run(...inputs);
    const got = await result.data();
    const launched = run.inspect().flatMap(({ dispatches }) => dispatches.flatMap(({ label }) => label.split("+")));
    if (op.run.kind !== "kernel" || composedOnly || launched.includes(way)) {
      values[way] = distance(got, exact);
      refuse(`checkOp: ${op.name} by ${way} against float64`, values[way], options.gpuTolerance ?? 1e-3);
    }
    result.free();
    run.free();
  }
  const smooth = !op.stops && isFloat(output.dtype) && inputs.some(({ dtype }) => isFloat(dtype));
  return { values, ...(smooth ? { gradients: await checkGradients(call, [...inputs], options) } : {}) };
}

/** The ways to compute an op, whether they can run here or not. */
const waysOf = ({ run }: Op): string[] =>
  run.kind === "kernel" ? [...run.kernels.map(({ name }) => name), ...(run.composed ? ["composed"] : [])] : [run.kind];
