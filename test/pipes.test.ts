// Whoever reads what the command line writes may stop reading, or have no room for it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, openSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const TIMEOUT = { timeout: 60_000 };
const words = ["--import", "tsx", join(import.meta.dirname, "../src/cli/main.ts")];

/** Runs a command that needs no adapter, one of whose streams nobody reads; stdout may be a file. */
async function ended(command: string, unread?: "stdout" | "stderr", stdout: "pipe" | number = "pipe") {
  const child = spawn(process.execPath, [...words, command], { stdio: ["ignore", stdout, "pipe"] });
  let stderr = "";
  child.stderr!.on("data", (text) => (stderr += text));
  if (unread) child[unread]!.destroy();
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, stderr };
}

test("a reader that has had enough is no error", TIMEOUT, async () => {
  assert.deepEqual(await ended("datasets", "stdout"), { code: 0, stderr: "" });
  assert.equal((await ended("trian", "stderr")).code, 2);
});

test("an answer that cannot be written is one", { ...TIMEOUT, skip: !existsSync("/dev/full") }, async () => {
  const { code, stderr } = await ended("datasets", undefined, openSync("/dev/full", "w"));
  assert.equal(code, 1);
  assert.match(stderr, /^coop: the answer could not be written: ENOSPC[^\n]*\n$/);
});
