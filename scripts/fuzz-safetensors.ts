/**
 * Compares what coop and the reference implementation of safetensors (Python's package, version 0.4 or newer) read and
 * refuse, on whole files and changed ones:
 *
 *   npm run fuzz:safetensors -- --inputs 10000 --seed 1 [--python python3] [--json reliability/safetensors.json]
 *
 * Fails where coop reads what the reference refuses. What coop refuses besides is counted by its reason.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { memoryBytes } from "../src/clip/bytes.ts";
import { openSafetensors } from "../src/clip/safetensors.ts";
import { formatTable } from "../src/coop/progress.ts";
import { explore } from "./fuzz/explore.ts";
import { TARGETS } from "./fuzz/targets.ts";

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "10000" },
    seed: { type: "string", default: "1" },
    python: { type: "string", default: "python3" },
    json: { type: "string" },
  },
});

const inputs: Uint8Array[] = [];
await explore(TARGETS.find(({ name }) => name === "safetensors")!, {
  inputs: Number(values.inputs),
  seed: values.seed,
  onInput: (bytes) => inputs.push(bytes),
});
const framed = inputs.flatMap((bytes) => [new Uint8Array(new Uint32Array([bytes.length]).buffer), bytes]);
const script = fileURLToPath(new URL("fuzz/reference-safetensors.py", import.meta.url));
const python = spawnSync(values.python, [script], {
  input: Buffer.concat(framed),
  maxBuffer: 2 ** 30,
  timeout: 600_000,
});
const reference = String(python.stdout).trim().split("\n");
if (python.status !== 0 || reference.length !== inputs.length)
  throw new Error(
    `${values.python} with the package safetensors is needed: ${String(python.stderr).trim().slice(-300)}`,
  );

const both = { read: 0, refused: 0 };
const stricter = new Map<string, number>();
const laxer: string[] = [];
for (const [i, bytes] of inputs.entries()) {
  const said = await openSafetensors(memoryBytes(bytes, "file")).then(
    () => undefined,
    (error: Error) => error.message,
  );
  const read = reference[i] === "read";
  if (read === (said === undefined)) both[read ? "read" : "refused"]++;
  else if (said === undefined) laxer.push(`${reference[i]}: ${Buffer.from(bytes).toString("base64")}`);
  else {
    const reason = said.replace(/"(?:[^"\\]|\\.)*"/g, '"…"').replace(/\d+/g, "N");
    stricter.set(reason, (stricter.get(reason) ?? 0) + 1);
  }
}
console.log(
  `${inputs.length} files: both read ${both.read}, both refuse ${both.refused}; coop alone reads ${laxer.length}`,
);
const reasons = [...stricter].sort(([, a], [, b]) => b - a);
console.log(formatTable([["only coop refuses", "files"], ...reasons]));
for (const line of laxer.slice(0, 5)) console.log(line);
if (values.json !== undefined) {
  mkdirSync(dirname(values.json), { recursive: true });
  const result = {
    seed: values.seed,
    inputs: inputs.length,
    ...both,
    coopAloneReads: laxer.length,
    coopAloneRefuses: Object.fromEntries(reasons),
  };
  writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
}
process.exitCode = laxer.length > 0 ? 1 : 0;
