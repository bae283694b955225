// The errors of all ops in units in the last place, against the table that `npm run numbers -- ulp` wrote.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { device } from "../src/tensor/index.ts";
import { ULP_OPS, ulpsOf } from "./ulp.ts";

const table: Record<string, Record<string, number>> = JSON.parse(
  readFileSync(new URL("../bench/ulp.json", import.meta.url), "utf8"),
);

test("no op is less exact than the table says", { timeout: 240_000 }, async (t) => {
  const { adapter } = await device();
  const known = table[adapter];
  if (!known) return t.skip(`bench/ulp.json has no row for ${adapter}`);
  assert.deepEqual(
    ULP_OPS.filter((name) => known[name] === undefined),
    [],
    "ops that the table lacks: npm run numbers -- ulp",
  );
  const worse: string[] = [];
  for (const name of ULP_OPS) {
    const found = await ulpsOf(name);
    // the table is rounded up, but unoptimised code may contract another product
    if (!(found <= known[name] + 0.5)) worse.push(`${name}: ${found.toFixed(2)} ulp, ${known[name]} in the table`);
  }
  assert.deepEqual(worse, []);
});
