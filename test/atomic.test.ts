import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { checkRunFolder, writeFileAtomic, writeRunFolder } from "../src/coop/atomic.ts";
import { InputError } from "../src/tensor/errors.ts";

async function scratch(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "coop-atomic-"));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

const FILES = new Map<string, Uint8Array | string>([
  ["adapter_config.json", "{}"],
  ["adapter_model.safetensors", new Uint8Array([1, 2, 3])],
]);

test("a run's folder appears whole, in a new place or an empty one", async (t) => {
  const dir = await scratch(t);
  await mkdir(join(dir, "empty"));
  await symlink("empty2", join(dir, "link"));
  await mkdir(join(dir, "empty2"));
  for (const out of ["runs/a", "empty", "link"]) {
    await writeRunFolder(join(dir, out), FILES);
    assert.deepEqual((await readdir(join(dir, out))).sort(), [...FILES.keys()].sort());
    assert.deepEqual([...(await readFile(join(dir, out, "adapter_model.safetensors")))], [1, 2, 3]);
  }
  assert.deepEqual((await readdir(dir)).sort(), ["empty", "empty2", "link", "runs"]);
});

test("a folder in use is refused, before and after the work, and left as it was", async (t) => {
  const dir = await scratch(t);
  const run = join(dir, "run");
  await writeRunFolder(run, FILES);
  for (const refuse of [checkRunFolder(run), writeRunFolder(run, new Map([["README.md", "new"]]))])
    await assert.rejects(refuse, (error: unknown) => {
      assert.ok(error instanceof InputError);
      assert.match(error.message, /holds another run of coop. Choose another --out, or delete that folder first/);
      return true;
    });
  assert.deepEqual((await readdir(run)).sort(), [...FILES.keys()].sort());

  await mkdir(join(dir, "docs"));
  await writeFile(join(dir, "docs", "thesis.tex"), "");
  await assert.rejects(writeRunFolder(join(dir, "docs"), FILES), /is not empty: it holds "thesis.tex"/);
  await assert.rejects(writeRunFolder(join(dir, "docs", "thesis.tex"), FILES), /is a file/);
  await assert.rejects(writeRunFolder(join(dir, "docs", "thesis.tex", "x"), FILES), /is a file|part of the path/);
  await assert.rejects(checkRunFolder("."), /not empty|folder you are in/);
  assert.deepEqual((await readdir(dir)).sort(), ["docs", "run"]);
});

test("of two writers of one folder, one wins whole", async (t) => {
  const dir = await scratch(t);
  const writers = Array.from({ length: 6 }, (_, i) =>
    writeRunFolder(
      join(dir, "run"),
      new Map([
        ["a.txt", `${i}`],
        ["b.txt", `${i}`],
      ]),
    ),
  );
  const results = await Promise.allSettled(writers);
  const won = results.findIndex((result) => result.status === "fulfilled");
  assert.equal(results.filter((result) => result.status === "fulfilled").length, 1);
  for (const name of ["a.txt", "b.txt"]) assert.equal(await readFile(join(dir, "run", name), "utf8"), `${won}`);
  for (const result of results) if (result.status === "rejected") assert.ok(result.reason instanceof InputError);
  assert.deepEqual(await readdir(dir), ["run"]);
});

test("names that would lead out of the folder are refused", async (t) => {
  const dir = await scratch(t);
  for (const name of ["../x", "a/b", "..", ".", "", "/etc/x", "a\\b", "a\n"])
    await assert.rejects(writeRunFolder(join(dir, "run"), new Map([[name, ""]])), InputError);
  assert.deepEqual(await readdir(dir), []);
});

test("a file is replaced whole; a failure leaves the old one and no debris", async (t) => {
  const dir = await scratch(t);
  const path = join(dir, "state.json");
  await writeFileAtomic(path, "old");
  await writeFileAtomic(path, "new");
  assert.equal(await readFile(path, "utf8"), "new");
  await assert.rejects(writeFileAtomic(join(dir, "nowhere", "x"), ""), /no such folder/);
  await mkdir(join(dir, "folder", "full"), { recursive: true });
  await assert.rejects(writeFileAtomic(join(dir, "folder"), "x"), InputError);
  assert.deepEqual((await readdir(dir)).sort(), ["folder", "state.json"]);
});

test("a write that breaks off half-way leaves what was there and no debris", async (t) => {
  if (process.platform === "win32") return t.skip("limits the size of files with the shell's ulimit");
  const dir = await scratch(t);
  await writeFileAtomic(join(dir, "x"), "kept");
  const module = new URL("../src/coop/atomic.ts", import.meta.url).href;
  const script = `import { writeFileAtomic, writeRunFolder } from ${JSON.stringify(module)};
    const big = "1".repeat(1_000_000), dir = ${JSON.stringify(dir)};
    for (const attempt of [() => writeFileAtomic(dir + "/x", big), () => writeRunFolder(dir + "/run", new Map([["a", "1"], ["b", big]]))])
      await attempt().then(() => console.log("written"), (error) => console.log(error.name, error.message));`;
  const { stdout, stderr } = spawnSync(
    "bash",
    ["-c", 'ulimit -f 64; exec "$0" --import tsx --input-type=module -e "$1"', process.execPath, script],
    { encoding: "utf8", env: { ...process.env, TSX_DISABLE_CACHE: "1" } },
  );
  assert.match(stdout, /^InputError .*x: the file is too large .*\nInputError .*run: the file is too large/, stderr);
  assert.deepEqual(await readdir(dir), ["x"]);
  assert.equal(await readFile(join(dir, "x"), "utf8"), "kept");
});

test("a place that cannot be written is named", async (t) => {
  if (process.platform !== "linux") return t.skip("uses /proc");
  await assert.rejects(writeFileAtomic("/proc/coop-test", "x"), InputError);
  await assert.rejects(writeRunFolder("/proc/coop-test", FILES), InputError);
});

test("debris of a dead process over a day old is swept; of a live one, or young, or another's, is not", async (t) => {
  const dir = await scratch(t);
  const child = spawn(process.execPath, ["-e", ""]);
  await new Promise((done) => child.on("exit", done));
  const old = [`run.tmp-${child.pid}-abc`, `run.tmp-${process.pid}-abc`, `other.tmp-${child.pid}-abc`, "run.tmp-notes"];
  for (const name of [...old, `run.tmp-${child.pid}-1f`]) await writeFile(join(dir, name), "");
  for (const name of old) await utimes(join(dir, name), 1_000_000_000, 1_000_000_000);
  await writeRunFolder(join(dir, "run"), FILES);
  assert.deepEqual((await readdir(dir)).sort(), [...old.slice(1), `run.tmp-${child.pid}-1f`, "run"].sort());
});

test("killed at any moment, the file is the old one or a new one, never a part", async (t) => {
  const dir = await scratch(t);
  const path = join(dir, "state");
  await writeFileAtomic(path, "0".repeat(300_000));
  const module = new URL("../src/coop/atomic.ts", import.meta.url).href;
  const script = `import { writeFileAtomic } from ${JSON.stringify(module)};
    process.stdout.write("go"); for (let i = 1; ; i++) await writeFileAtomic(${JSON.stringify(path)}, String(i % 10).repeat(300000));`;
  for (let round = 0; round < 4; round++) {
    const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script]);
    await new Promise((go) => child.stdout.once("data", go));
    await new Promise((later) => setTimeout(later, 20 + 17 * round));
    child.kill("SIGKILL");
    await new Promise((done) => child.on("exit", done));
    const text = await readFile(path, "utf8");
    assert.equal(text, text[0].repeat(300_000));
  }
});
