// `coop train` killed at random moments, and gone on with until it is done: COOP_KILLS=20 kills it twenty times.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { drawFolder } from "./drawn-folder.ts";

const MAIN = join(import.meta.dirname, "../src/cli/main.ts");
const KILLS = Number(process.env.COOP_KILLS ?? 4);
const TIMEOUT = { timeout: 60_000 + 15_000 * KILLS };
const EPOCHS = 50;

let root: string;
const at = (...parts: string[]) => join(root, ...parts);

before(async () => {
  root = mkdtempSync(join(tmpdir(), "coop-resume-"));
  await drawFolder(at("pictures"));
});
after(() => rmSync(root, { recursive: true, force: true }));

interface Outcome {
  readonly code: number | null;
  readonly stderr: string;
}

/** Runs `coop train` in a process of its own; `watch` sees it and what it has said on stderr so far. */
function train(flags: readonly string[], watch: (child: ChildProcess, stderr: string) => void): Promise<Outcome> {
  const words = ["train", at("pictures"), "--shots", "3", "--context-tokens", "3", "--epochs", `${EPOCHS}`, ...flags];
  const env = { ...process.env, COOP_QUIET: "1", COOP_NO_CACHE: "", COOP_CACHE: at("cache") };
  const child = spawn(process.execPath, ["--import", "tsx", MAIN, ...words], { env, timeout: 60_000 });
  let stderr = "";
  child.stderr.on("data", (piece) => watch(child, (stderr += piece)));
  child.stdout.resume();
  watch(child, stderr);
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, stderr })));
}

const untimed = (run: string) =>
  readFileSync(at(run, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => ({ ...JSON.parse(line), seconds: undefined }));

test(`killed ${KILLS} times, it ends to the bit where it would have`, TIMEOUT, async (t) => {
  const flags = ["--early-stopping", "500", "--save-every", "1"];
  const whole = await train([...flags, "--out", at("whole")], () => {});
  assert.equal(whole.code, 0, whole.stderr);
  assert.ok(!existsSync(at("whole.partial")));

  let [kills, between, round] = [0, 0, 0];
  while (kills < KILLS) {
    const run = `cut-${round++}`;
    for (let done = false; !done; ) {
      const [out, partial] = [at(run), at(`${run}.partial`)];
      const begun = existsSync(partial) || existsSync(out);
      // every other kill comes while it learns, the others at any time
      const learning = kills % 2 === 1;
      const delay = Math.random() * (learning ? 800 : 4000);
      let timer: NodeJS.Timeout | undefined;
      const { code, stderr } = await train([...flags, begun ? "--resume" : "--out", out], (child, said) => {
        if (kills < KILLS && (!learning || /^learn |going on/m.test(said)))
          timer ??= setTimeout(() => child.kill("SIGKILL"), delay);
      });
      clearTimeout(timer);
      done = code === 0;
      assert.ok(done || code === null, `exit code ${code}: ${stderr}`);
      if (code === null) {
        kills++;
        if (existsSync(join(partial, "checkpoint.safetensors"))) between++;
      }
    }
    const bits = (name: string) => readFileSync(at(name, "adapter_model.safetensors"));
    assert.ok(bits(run).equals(bits("whole")), `${run} after ${kills} kills`);
    assert.deepEqual(untimed(run), untimed("whole"));
    const files = (dir: string) => readdirSync(dir).sort();
    assert.deepEqual(files(at(run)), files(at("whole")));
    assert.ok(!existsSync(at(`${run}.partial`)));
    t.diagnostic(`${run}: ${kills} kills so far, ${between} of them with a checkpoint`);
  }
});

test("Ctrl-C saves and prints the command to go on with; other settings are all named", TIMEOUT, async () => {
  let sent = false;
  const stopped = await train(["--out", at("stopped"), "--seed", "4"], (child, stderr) => {
    if (!sent && /^learn /m.test(stderr)) sent = child.kill("SIGINT");
  });
  assert.equal(stopped.code, 130, stopped.stderr);
  const [, flags] = /go on with {3}coop train .*(--seed 4 --resume .*stopped)$/m.exec(stopped.stderr) ?? [];
  assert.ok(flags, stopped.stderr);
  assert.ok(!existsSync(at("stopped")));

  const anew = await train(["--out", at("stopped"), "--seed", "4"], () => {});
  assert.equal(anew.code, 1);
  assert.match(anew.stderr, /a training was cut short there\. Go on with it by --resume/);
  const other = await train(["--resume", at("stopped"), "--batch-size", "4"], () => {});
  assert.equal(other.code, 1);
  assert.match(other.stderr, /was made with seed 4, not 1; batch-size 32, not 4; the pictures \w+, not \w+; go on/);
  const resumed = await train(flags.split(" "), () => {});
  assert.equal(resumed.code, 0, resumed.stderr);
  assert.match(resumed.stderr, /going on after epoch \d+ of .*stopped\.partial/);
  assert.match(readFileSync(at("stopped", "README.md"), "utf8"), /--seed 4 --out .*stopped\n/);
  assert.equal(untimed("stopped").length, EPOCHS);
});
