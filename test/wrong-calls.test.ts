// What a user reads who calls coop wrongly. The messages lie in goldens/wrong-calls.txt, one a line; COOP_WRITE=1 writes
// them anew, to be read by a person before they are committed.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { CoopError } from "../src/index.ts";
import { AUTOGRAD } from "./wrong-calls/autograd.ts";
import { clipCalls } from "./wrong-calls/clip.ts";
import { measuringCalls } from "./wrong-calls/measuring.ts";
import { OPS } from "./wrong-calls/ops.ts";
import { promptCalls } from "./wrong-calls/prompt.ts";
import { TENSORS } from "./wrong-calls/tensors.ts";

const FILE = new URL("goldens/wrong-calls.txt", import.meta.url);
const LONGEST = 300;

test("wrong calls throw errors that name the call or the argument and what was found", async () => {
  const parts = [TENSORS, OPS, AUTOGRAD, await clipCalls(), await promptCalls(), await measuringCalls()];
  const calls = parts.flatMap((part) => Object.entries(part));
  assert.equal(new Set(calls.map(([name]) => name)).size, calls.length, "names are unique");
  assert.ok(calls.length >= 110);
  const lines: string[] = [];
  for (const [name, [names, found, call]] of calls) {
    const error = await thrown(call);
    assert.ok(error instanceof CoopError, `${name}: ${error instanceof Error ? error.stack : "was accepted"}`);
    const message = error.message.replaceAll(/\S*coop-empty-\w+/g, "<folder>");
    assert.ok(message.includes(names) && message.includes(found), `${name}: no ${names} or ${found} in "${message}"`);
    assert.ok(message.length <= LONGEST && !message.includes("\n"), `${name}: ${message}`);
    assert.ok(!message.includes(tmpdir()), `${name}: ${message}`);
    lines.push(`${name}: ${error.name}: ${message}\n`);
  }
  if (process.env.COOP_WRITE === "1") writeFileSync(FILE, lines.join(""));
  assert.deepEqual(lines.join("").split("\n"), readFileSync(FILE, "utf8").split("\n"));
});

async function thrown(call: () => unknown): Promise<unknown> {
  try {
    await call();
    return undefined;
  } catch (error) {
    return error;
  }
}
