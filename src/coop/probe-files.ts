import { writeSafetensors } from "../clip/safetensors.ts";
import { InputError } from "../tensor/errors.ts";
import type { FittedProbe } from "./linear-probe.ts";
import type { CSearch } from "./probe-search.ts";
import { type Splits, splitsJson } from "./run-files.ts";
import type { Score } from "./score.ts";

/**
 * What C was chosen by: pictures of val, pictures of train that are no shots, the shots themselves in folds, or nothing.
 */
export type ValidationSource = "val" | "train" | "folds" | "none";

/** What a saved probe was made from and how good it is. */
export interface ProbeConfig {
  readonly model: { readonly name: string; readonly sha256: string };
  /** in the order of the rows of the weight */
  readonly classes: readonly string[];
  /** whether features are scaled to length 1 before the probe sees them */
  readonly normalized: boolean;
  readonly shots: number;
  readonly seed: number;
  readonly validation: { readonly from: ValidationSource; readonly pictures: number };
  /** null where C was given */
  readonly search: CSearch | null;
  /** on the held-out pictures */
  readonly metrics: { readonly zeroShot: Score; readonly probe: Score };
  readonly versions: Readonly<Record<string, string>>;
}

/**
 * A probe's folder as `writeRunFolder` takes it: `linear_probe.safetensors` with `weight` [K, E] and `bias` [K] in
 * float32, `linear_probe.json`, and `splits.json` as a run of CoOp has it.
 *
 * @example await writeRunFolder("runs/probe", probeFiles(probe, config, splits));
 */
export function probeFiles(probe: FittedProbe, config: ProbeConfig, splits: Splits): Map<string, Uint8Array | string> {
  const { weight, bias, C, loss, iterations, converged } = probe;
  if (![weight, bias].every((values) => values.every(Number.isFinite)))
    throw new InputError("The probe holds numbers that are not finite; it cannot be saved.");
  const stored = (values: Float32Array, shape: number[]) => ({
    dtype: "F32",
    shape,
    data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  });
  const tensors = writeSafetensors([
    ["weight", stored(weight, [bias.length, weight.length / bias.length])],
    ["bias", stored(bias, [bias.length])],
  ]);
  const text = JSON.stringify({ format: 1, C, loss, iterations, converged, ...config }, null, 2);
  return new Map<string, Uint8Array | string>([
    ["linear_probe.safetensors", tensors],
    ["linear_probe.json", `${text}\n`],
    ["splits.json", splitsJson(splits)],
  ]);
}
