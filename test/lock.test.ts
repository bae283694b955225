// A place that is written to for long belongs to one process.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { mock, type TestContext, test } from "node:test";
import { main } from "../src/cli/cli.ts";
import { download, type FileDelivery } from "../src/clip/download-node.ts";
import { startOf } from "../src/clip/processes-node.ts";
import { lockFile, lockFolder } from "../src/coop/lock.ts";
import { InputError } from "../src/tensor/errors.ts";

const TIMEOUT = { timeout: 60_000 };
const MODULE = new URL("../src/coop/lock.ts", import.meta.url).href;

function scratch(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "coop-lock-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** A process that takes a folder when it is told to, and then says how that went. */
function taker(t: TestContext, dir: string) {
  const script = `import { lockFolder } from ${JSON.stringify(MODULE)};
    process.stdin.once("data", () => lockFolder(${JSON.stringify(dir)}).then(() => console.log("taken"), (e) => console.log(e.message)));
    setInterval(() => {}, 1000); console.log("ready");`;
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script]);
  t.after(() => child.kill("SIGKILL"));
  const says = () => new Promise<string>((resolve) => child.stdout.once("data", (text) => resolve(`${text}`.trim())));
  return { child, says };
}

const ended = (child: ChildProcess) => new Promise((resolve) => child.on("exit", resolve));

test(
  "of several processes that come at once one gets the folder; when it is killed, the next does",
  TIMEOUT,
  async (t) => {
    const dir = join(scratch(t), "run");
    const takers = Array.from({ length: 3 }, () => taker(t, dir));
    await Promise.all(takers.map(({ says }) => says()));
    const answers = takers.map(({ says }) => says());
    for (const { child } of takers) child.stdin.write("go");
    const said = await Promise.all(answers);
    const winner = takers[said.indexOf("taken")].child;
    assert.equal(said.filter((text) => text === "taken").length, 1, said.join("\n"));
    for (const text of said)
      if (text !== "taken") assert.match(text, new RegExp(`^${dir}: process ${winner.pid} works there\\. Wait for it`));
    await assert.rejects(lockFolder(dir), InputError);

    winner.kill("SIGKILL");
    await ended(winner);
    const lock = await lockFolder(dir);
    assert.equal(readdirSync(dir).length, 1);
    await lock.release();
    assert.deepEqual(readdirSync(dir), []); // it was not made by this lock, and stays
  },
);

test("a lock of an earlier process of the same number is none; one of another machine is", async (t) => {
  const dir = scratch(t);
  const began = await startOf(process.ppid);
  if (began) {
    writeFileSync(join(dir, `lock-${process.ppid}-1-${hostname()}`), "");
    await (await lockFolder(dir)).release();
    assert.deepEqual(readdirSync(dir), []);
  }
  writeFileSync(join(dir, `lock-${process.ppid}-${began}-${hostname()}`), "");
  await assert.rejects(lockFolder(dir), new RegExp(`process ${process.ppid} works there`));
  rmSync(join(dir, `lock-${process.ppid}-${began}-${hostname()}`));
  writeFileSync(join(dir, "lock-7-1-elsewhere"), "");
  await assert.rejects(lockFolder(dir), /process 7 of the machine elsewhere works there.*delete .*lock-7-1-elsewhere/);
  assert.deepEqual(readdirSync(dir), ["lock-7-1-elsewhere"]);
});

test("a folder that the lock made goes with it, a file's lock lies beside it, and nobody takes one twice", async (t) => {
  const dir = scratch(t);
  const made = await lockFolder(join(dir, "new"));
  await assert.rejects(lockFolder(join(dir, "new")), /works there/);
  await made.release();
  assert.ok(!existsSync(join(dir, "new")));
  const beside = await lockFile(join(dir, "index"));
  assert.match(readdirSync(dir).join(), /^index\.lock-\d+-\d*-/);
  await (await lockFile(join(dir, "index2"))).release();
  await beside.release();
  assert.deepEqual(readdirSync(dir), []);
});

test("waiting for another's download trusts no clock that can be set", TIMEOUT, async (t) => {
  const target = join(scratch(t), "model");
  const lock = `${target}.coop.lock`;
  writeFileSync(lock, `${hostname()} ${process.ppid} ${await startOf(process.ppid)} 0.5`);
  for (const when of [0, 4_000_000_000]) {
    utimesSync(lock, when, when); // the clock was set forward, or back, since
    const signal = AbortSignal.timeout(500);
    const delivery = { url: "http://127.0.0.1:9/", signal, isThere: async () => false };
    await assert.rejects(download(target, delivery as unknown as FileDelivery), { name: "TimeoutError" });
    assert.ok(existsSync(lock));
  }
});

test("train, pretrain, bench and index refuse a place where another works, and touch nothing", TIMEOUT, async (t) => {
  const dir = scratch(t);
  const at = (name: string) => join(dir, name);
  const lock = `lock-${process.ppid}--${hostname()}`;
  for (const name of ["run.partial", "model", "results", "pictures/a"]) mkdirSync(at(name), { recursive: true });
  for (const name of ["run.partial", "model", "results"]) writeFileSync(join(dir, name, lock), "");
  writeFileSync(at(`index.${lock}`), "");
  writeFileSync(at("pairs.csv"), "file_name,caption\n");
  writeFileSync(
    at("spec.json"),
    JSON.stringify({ datasets: [{ name: "a", source: "a" }], methods: [{ kind: "zero-shot" }] }),
  );
  const before = readdirSync(dir, { recursive: true });
  for (const [name, ...words] of [
    ["run", "train", at("pictures"), "--out", at("run")],
    ["model", "pretrain", at("pairs.csv"), "--config", "tiny", "--out", at("model")],
    ["results", "bench", at("spec.json"), "--out", at("results")],
    ["index", "index", at("pictures"), "--out", at("index")],
  ]) {
    let stderr = "";
    const said = mock.method(console, "error", (line: string) => (stderr += `${line}\n`));
    const code = await main(words).finally(() => said.mock.restore());
    assert.equal(code, 1, stderr);
    assert.match(stderr, new RegExp(`^coop: ${at(name)}: process ${process.ppid} works there\\. [^\\n]*\\n$`));
  }
  assert.deepEqual(readdirSync(dir, { recursive: true }), before);
});
