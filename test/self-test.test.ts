// What coop doctor does with a kernel that is wrong: refuses it, here and in later processes, and computes by what is left.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { compile, DeviceError, device, gather, softmax, type Tensor, tensor } from "../src/tensor/index.ts";
import { allOps, type Kernel } from "../src/tensor/op.ts";
import { recallRefused, refusedOn } from "../src/tensor/refused.ts";
import { selfTest } from "../src/tensor/self-test.ts";

const cache = mkdtempSync(join(tmpdir(), "coop-refused-"));
const file = join(cache, "coop", "refused.json");
const { XDG_CACHE_HOME } = process.env;

const kernelsOf = (name: string): readonly Kernel[] => {
  const { run } = allOps().find((op) => op.name === name)!;
  return run.kind === "kernel" ? run.kernels : [];
};

/** The kernels that a function runs on, and its result. */
async function ran(f: () => Tensor, refused?: ReadonlySet<string>): Promise<{ labels: string[]; values: number[] }> {
  const compiled = compile(f, { kernelsOnly: true, ...(refused && { refused }) });
  const values = [...(await compiled().data())];
  return { labels: compiled.inspect().flatMap(({ dispatches }) => dispatches.map(({ label }) => label)), values };
}

const wide = tensor(new Float32Array(64).fill(1), [2, 32]);
const even = new Array(64).fill(1 / 32);

describe("refused kernels", { timeout: 300_000 }, () => {
  let adapter: string;
  before(async () => {
    process.env.XDG_CACHE_HOME = cache;
    adapter = (await device()).adapter;
  });
  after(() => {
    delete process.env.XDG_CACHE_HOME;
    if (XDG_CACHE_HOME) process.env.XDG_CACHE_HOME = XDG_CACHE_HOME;
    rmSync(cache, { recursive: true, force: true });
  });

  test("the self-test passes here, covers every op with kernels, and refuses nothing", async () => {
    const { tests, refused, ok } = await selfTest();
    assert.ok(ok, JSON.stringify(tests.filter(({ passed }) => !passed)));
    assert.deepEqual(refused, []);
    assert.ok(!existsSync(file));
    const covered = new Set(tests.map(({ op }) => op));
    const withKernels = allOps().filter(({ name }) => kernelsOf(name).length > 0);
    assert.deepEqual(
      withKernels.map(({ name }) => name).filter((name) => !covered.has(name)),
      [],
    );
  });

  test("a wrong kernel is refused, the next takes its place; found right again, it comes back", async () => {
    const usual = (await ran(() => softmax(wide))).labels;
    const kernel = kernelsOf("softmax").find(({ name }) => usual.includes(name))!;
    const source = kernel.source;
    const broken = (text: string) => text.replace(/\*\s*scale/, "* 1.001 * scale");
    Object.assign(kernel, {
      source:
        typeof source === "string" ? broken(source) : (...args: Parameters<typeof source>) => broken(source(...args)),
    });
    try {
      const { tests, refused, fallbacks, ok } = await selfTest();
      assert.deepEqual(refused, [kernel.name]);
      assert.equal(tests.find(({ name }) => name === kernel.name)?.passed, false);
      assert.deepEqual(
        fallbacks.map(({ name, passed }) => [name, passed]),
        [["softmax", true]],
      );
      assert.ok(ok);
      assert.deepEqual(JSON.parse(readFileSync(file, "utf8")), { [adapter]: [kernel.name] });
      const { labels, values } = await ran(() => softmax(wide));
      assert.ok(!labels.includes(kernel.name), labels.join());
      assert.deepEqual(values, even);
    } finally {
      Object.assign(kernel, { source });
    }
    await recallRefused();
    assert.ok(refusedOn(adapter).has(kernel.name));
    assert.deepEqual((await selfTest()).refused, []);
    assert.deepEqual((await ran(() => softmax(wide))).labels, usual);
    assert.deepEqual(JSON.parse(readFileSync(file, "utf8")), {});
  });

  test("without any kernel an op is computed by its definition; without one, it is an error that says why", async () => {
    const all = new Set(kernelsOf("softmax").map(({ name }) => name));
    const { labels, values } = await ran(() => softmax(wide), all);
    assert.ok(labels.every((label) => !all.has(label)));
    assert.deepEqual(values, even);
    const lookup = () => gather(wide, tensor(Int32Array.of(1)));
    await assert.rejects(ran(lookup, new Set(["gather"])), (error: unknown) => {
      assert.ok(error instanceof DeviceError);
      assert.match(error.message, /^gather: none of its op's kernels .* right numbers on this adapter \(coop doctor\)/);
      return true;
    });
  });

  test("COOP_REFUSE refuses by hand", () => {
    process.env.COOP_REFUSE = "softmax, matmul";
    assert.deepEqual([...refusedOn(adapter)], ["softmax", "matmul"]);
    delete process.env.COOP_REFUSE;
    assert.deepEqual([...refusedOn(adapter)], []);
  });
});
