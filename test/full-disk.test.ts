// A disk that is full, or that turns read-only: what was there stays whole, and one line says what to do.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { drawPicture } from "../scripts/kills/pictures.ts";
import { writeFileAtomic, writeRunFolder } from "../src/coop/atomic.ts";
import { openMetrics } from "../src/coop/metrics-log.ts";
import { loadTraining, saveTraining } from "../src/coop/training-state.ts";
import { InputError } from "../src/tensor/errors.ts";
import { free, tensor } from "../src/tensor/index.ts";
import { coopHere } from "./coop-here.ts";

const TIMEOUT = { timeout: 120_000 };
const MEGABYTE = 2 ** 20;

/** A disk of a megabyte; undefined where this system gives none. */
function smallDisk(t: TestContext): { path: string; remount(how: string): void } | undefined {
  const path = mkdtempSync(join(tmpdir(), "coop-disk-"));
  const mount = (...words: string[]) => spawnSync("mount", words).status === 0;
  const mounted = process.platform === "linux" && mount("-t", "tmpfs", "-o", `size=${MEGABYTE}`, "tmpfs", path);
  t.after(() => {
    if (mounted) spawnSync("umount", [path]);
    rmSync(path, { recursive: true, force: true });
  });
  if (mounted) return { path, remount: (how) => assert.ok(mount("-o", `remount,${how}`, path)) };
  t.skip("only root of Linux can mount a small disk");
  return undefined;
}

/** Fills a disk but for some bytes. */
function fill(path: string, left: number): void {
  const { bavail, bsize } = statfsSync(path);
  writeFileSync(join(path, "filling"), new Uint8Array(bavail * bsize - left));
}

const full = (error: Error) =>
  error instanceof InputError && /: the disk is full\. Free some space/.test(error.message);
const readOnly = (error: Error) =>
  error instanceof InputError && /: that disk is read-only\. Choose another/.test(error.message);

test("a checkpoint, its metrics, a file and a run's folder", TIMEOUT, async (t) => {
  const disk = smallDisk(t);
  if (!disk) return;
  const at = (name: string) => join(disk.path, name);
  const state = { context: tensor(new Float32Array(20_000).fill(1), [20_000]) };
  const file = at("checkpoint.safetensors");
  await saveTraining(file, state, {}, 1);
  await writeFileAtomic(at("results.json"), "old");
  const metrics = await openMetrics(at("metrics.jsonl"), 0);
  metrics.add({ step: 1 });
  await metrics.flush();
  const names = () => readdirSync(disk.path).sort();

  fill(disk.path, 0);
  const before = names();
  const large = new Uint8Array(50_000);
  const attempts = () => [
    () => saveTraining(file, state, {}, 2),
    () => writeFileAtomic(at("results.json"), large),
    () => writeRunFolder(at("run"), new Map([["a", large]])),
  ];
  for (const attempt of attempts()) await assert.rejects(attempt, full);
  for (let step = 2; step < 1000; step++) metrics.add({ step });
  await assert.rejects(metrics.flush(), full);
  disk.remount("ro");
  for (const attempt of attempts()) await assert.rejects(attempt, readOnly);
  disk.remount("rw");

  assert.deepEqual(names(), before);
  const saved = await loadTraining(file, state, {});
  assert.equal(saved?.step, 1);
  assert.equal((await saved.state.context.data())[19_999], 1);
  assert.equal(readFileSync(at("results.json"), "utf8"), "old");
  rmSync(at("filling"));
  assert.deepEqual((await openMetrics(at("metrics.jsonl"), 1)).kept, [{ step: 1 }]);
  free([state, saved.state]);
});

test("an index that is brought up to date", TIMEOUT, async (t) => {
  const disk = smallDisk(t);
  if (!disk) return;
  const pictures = mkdtempSync(join(tmpdir(), "coop-pictures-"));
  t.after(() => rmSync(pictures, { recursive: true }));
  for (let i = 0; i < 3; i++) await drawPicture(join(pictures, `${i}.png`), i);
  const index = join(disk.path, "index.safetensors");
  const coop = () => coopHere("index", pictures, "--out", index);
  assert.equal((await coop()).code, 0);
  const old = readFileSync(index);
  await drawPicture(join(pictures, "3.png"), 3);
  fill(disk.path, 0);
  const outcome = await coop();
  assert.equal(outcome.code, 1);
  assert.match(outcome.stderr, /^coop: .*index\.safetensors: the disk is full\. Free some space[^\n]*\n$/);
  assert.ok(readFileSync(index).equals(old));
  disk.remount("ro");
  const refused = await coop();
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^coop: .*(read-only|cannot be written to)[^\n]*\n$/);
  disk.remount("rw");
  rmSync(join(disk.path, "filling"));
  assert.equal((await coop()).code, 0);
  assert.deepEqual(readdirSync(disk.path), ["index.safetensors"]);
});
