import assert from "node:assert/strict";
import { test } from "node:test";
import { explore } from "../scripts/fuzz/explore.ts";
import { TARGETS } from "../scripts/fuzz/targets.ts";

/** A small part of `npm run fuzz`: without its guide, its processes and its clock from outside. */
const INPUTS = 80;

for (const target of TARGETS)
  test(`${target.name}: nothing but coop's own errors comes of changed files`, { timeout: 60_000 }, async (t) => {
    const warn = t.mock.method(console, "warn", () => {}); // of the library for tokenizers
    const faults: string[] = [];
    const found = await explore(target, {
      inputs: INPUTS,
      seed: process.env.COOP_SEED ?? "suite",
      onVerdict({ fault }, bytes) {
        // other tests run beside this one, so the clock and the memory are left to the campaign
        if (fault && !["hang", "memory"].includes(fault.kind))
          faults.push(`${fault.kind}: ${fault.text}\n${Buffer.from(bytes.subarray(0, 2000)).toString("base64")}`);
      },
    });
    warn.mock.restore();
    assert.deepEqual(faults, []);
    assert.equal(found.inputs, INPUTS);
    assert.ok(found.read > 0, "not even the whole inputs were read");
  });
