import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

/**
 * Each case is a process of its own: drivers are chosen per process, and that it ends by itself is part of what is tested.
 */
const RUNTIME = new URL("../src/tensor/runtime.ts", import.meta.url).href;
const LINUX_X64 = process.platform === "linux" && process.arch === "x64";
const NOT_HERE = !LINUX_X64 && "the bundled SwiftShader is for linux-x64";
const NO_DRIVER = { VK_ICD_FILENAMES: "/nonexistent.json", VK_DRIVER_FILES: "/nonexistent.json" };

/** Squares 0…255 on the GPU and checks them; leaves `gpu` open. */
const COMPUTE = `
  const { requestGpu, announce } = await import(${JSON.stringify(RUNTIME)});
  const square = async ({ device }) => {
    const usage = GPUBufferUsage;
    const output = device.createBuffer({ size: 1024, usage: usage.STORAGE | usage.COPY_SRC });
    const result = device.createBuffer({ size: 1024, usage: usage.MAP_READ | usage.COPY_DST });
    const module = device.createShaderModule({ code: \`
      @group(0) @binding(0) var<storage, read_write> output: array<u32>;
      @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) i: vec3u) { output[i.x] = i.x * i.x; }\` });
    const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module } });
    const entries = [{ binding: 0, resource: { buffer: output } }];
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
    pass.dispatchWorkgroups(4);
    pass.end();
    encoder.copyBufferToBuffer(output, 0, result, 0, 1024);
    device.queue.submit([encoder.finish()]);
    await result.mapAsync(GPUMapMode.READ);
    const values = [...new Uint32Array(result.getMappedRange())];
    result.unmap();
    if (!values.every((value, i) => value === i * i)) throw new Error("wrong result: " + values.slice(0, 8));
  };
`;

const SHOW = `
  const gpu = await requestGpu();
  await square(gpu);
  announce(gpu.description);
  announce("only one line");
  console.log(JSON.stringify({ kind: gpu.kind, description: gpu.description, features: [...gpu.features],
    limits: Object.fromEntries(["maxBufferSize", "maxStorageBufferBindingSize"].map((l) => [l, gpu.limits[l]])) }));
`;

interface Outcome {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

function run(script: string, env: Record<string, string> = {}, wrap: string[] = []): Promise<Outcome> {
  const node = [process.execPath, "--import", "tsx", "--expose-gc", "--input-type=module", "-e", COMPUTE + script];
  const [command, ...args] = [...wrap, ...node];
  const inherited = { ...process.env, COOP_ADAPTER: "", COOP_QUIET: "", NODE_TEST_CONTEXT: undefined };
  const child = spawn(command, args, { env: { ...inherited, XDG_CACHE_HOME: cache, ...env }, timeout: 20_000 });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (text) => (stdout += text));
  child.stderr.on("data", (text) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

function assertClean({ code, signal, stderr }: Outcome): void {
  assert.equal(signal, null, `killed by ${signal}; a hang is ended by SIGTERM\n${stderr}`);
  assert.equal(code, 0, stderr);
}

let cache = "";
before(async () => void (cache = await mkdtemp(join(tmpdir(), "coop-runtime-test-"))));
after(() => rm(cache, { recursive: true, force: true }));

describe("what is found", { concurrency: 2 }, () => {
  test("the default adapter computes, is announced once, and the process ends", async () => {
    const outcome = await run(SHOW);
    assertClean(outcome);
    const { kind, description } = JSON.parse(outcome.stdout);
    const lines = outcome.stderr.split("\n").filter((line) => line.startsWith("coop:"));
    assert.deepEqual(lines, [`coop: ${description}`]);
    assert.match(description, new RegExp(`, ${kind} adapter`));
  });

  test("COOP_QUIET=1 says nothing", async () => {
    const outcome = await run(SHOW, { COOP_QUIET: "1" });
    assertClean(outcome);
    assert.doesNotMatch(outcome.stderr, /coop:/);
  });

  for (const demand of ["hardware", "llvmpipe"]) {
    test(`COOP_ADAPTER=${demand} gives it, or says how to get it`, async () => {
      const outcome = await run(SHOW, { COOP_ADAPTER: demand });
      if (outcome.code === 0) {
        const { kind, description } = JSON.parse(outcome.stdout);
        assert.equal(kind, demand === "hardware" ? "hardware" : "software");
        if (demand === "llvmpipe") assert.match(description, /llvmpipe/);
      } else {
        assert.equal(outcome.code, 1);
        assert.match(outcome.stderr, new RegExp(`DeviceError: COOP_ADAPTER=${demand} was not to be had`));
        assert.match(outcome.stderr, /To fix it: /);
      }
    });
  }

  test("COOP_ADAPTER=swiftshader runs the bundled driver with its own largest limits", { skip: NOT_HERE }, async () => {
    const outcome = await run(SHOW, { COOP_ADAPTER: "swiftshader" });
    assertClean(outcome);
    const { kind, description, limits } = JSON.parse(outcome.stdout);
    assert.equal(kind, "software");
    assert.match(description, /SwiftShader/);
    assert.ok(limits.maxStorageBufferBindingSize > 134217728, "more than WebGPU's default");
  });

  test("a bogus COOP_ADAPTER is an error that lists the choices", async () => {
    const outcome = await run(SHOW, { COOP_ADAPTER: "voodoo" });
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, /DeviceError: COOP_ADAPTER is "voodoo"; use auto, hardware, llvmpipe, swiftshader/);
  });
});

describe("a machine without a driver", { skip: NOT_HERE, concurrency: 2 }, () => {
  test("falls to SwiftShader, says so, and leaves the environment as it was", async () => {
    const outcome = await run(`${SHOW} console.log(process.env.VK_ICD_FILENAMES)`, NO_DRIVER);
    assertClean(outcome);
    assert.match(outcome.stdout, /\n\/nonexistent\.json\n$/);
    assert.match(outcome.stderr, /coop: SwiftShader .*software adapter: no GPU and no usable driver was found/);
  });

  test("not even the Vulkan loader: SwiftShader brings its own", async (t) => {
    const hide = `
      for library in $(ldconfig -p | sed -n 's/.*=> \\(.*libvulkan.*\\)/\\1/p'); do
        mount --bind /dev/null "$(readlink -f "$library")" || exit 77
      done
      [ ! -d /usr/share/vulkan ] || mount -t tmpfs none /usr/share/vulkan || exit 77
      exec "$@"`;
    const outcome = await run(SHOW, {}, ["unshare", "-rm", "sh", "-c", hide, "sh"]).catch(() => null);
    if (!outcome || outcome.code === 77 || /^unshare: /m.test(outcome.stderr)) return t.skip("needs mount namespaces");
    assertClean(outcome);
    assert.match(JSON.parse(outcome.stdout).description, /SwiftShader/);
    assert.equal(outcome.stderr.trim().split("\n").length, 1, outcome.stderr);
  });

  test("processes that unpack SwiftShader at the same time do not disturb one another", async () => {
    const home = await mkdtemp(join(cache, "race-"));
    const env = { COOP_ADAPTER: "swiftshader", XDG_CACHE_HOME: home };
    for (const outcome of await Promise.all([run(SHOW, env), run(SHOW, env), run(SHOW, env)])) assertClean(outcome);
    const entries = await readdir(join(home, "coop"));
    assert.equal(entries.length, 1, `left over: ${entries}`);
  });

  test("an incomplete cache is unpacked anew", async () => {
    const home = await mkdtemp(join(cache, "incomplete-"));
    const env = { COOP_ADAPTER: "swiftshader", XDG_CACHE_HOME: home };
    assertClean(await run(SHOW, env));
    const [folder] = await readdir(join(home, "coop"));
    await rm(join(home, "coop", folder, "libvulkan.so.1"));
    assertClean(await run(SHOW, env));
  });

  test("nothing at all gives one error with what was tried and the fix", async () => {
    const file = join(cache, "a-file");
    await writeFile(file, "");
    const outcome = await run(`process.env.TMPDIR = process.env.XDG_CACHE_HOME; ${SHOW}`, {
      ...NO_DRIVER,
      XDG_CACHE_HOME: file,
    });
    assert.equal(outcome.code, 1);
    assert.match(
      outcome.stderr,
      /DeviceError: No WebGPU adapter was found \(system: no adapter; swiftshader: .*unpacked/,
    );
    assert.match(outcome.stderr, /apt-get install mesa-vulkan-drivers.*npm install/);
  });
});

describe("life and death", { concurrency: 2 }, () => {
  const endings: [name: string, script: string][] = [
    ["with the device released", "gpu.release(); gpu.release()"],
    ["with everything left open", "globalThis.kept = gpu"],
    ["with work under way", "gpu.device.createBuffer({ size: 1 << 20, usage: 9 }).mapAsync(1); square(gpu)"],
    ["with someone waiting for its loss", "gpu.lost.then(() => console.log('lost'))"],
    ["by process.exit", "process.exit(0)"],
  ];
  for (const [name, script] of endings) {
    test(`the process ends ${name}`, async () => {
      assertClean(await run(`const gpu = await requestGpu(); await square(gpu); ${script};`));
    });
  }

  test("garbage collection during and after use harms nothing", async () => {
    const outcome = await run(`
      const collect = async () => { for (let i = 0; i < 3; i++) { gc(); await new Promise((r) => setTimeout(r, 5)); } };
      const { device } = await requestGpu();
      await collect();
      await square({ device });
      let other = await requestGpu();
      await square(other);
      other.release();
      const lost = other.lost;
      other = null;
      await collect();
      console.log((await lost).reason);
      await square({ device });
    `);
    assertClean(outcome);
    assert.equal(outcome.stdout, "destroyed\n");
  });

  test("a device that the caller brought survives release", async () => {
    const outcome = await run(`
      const { device } = await requestGpu();
      const gpu = await requestGpu({ device });
      gpu.release();
      await square(gpu);
      console.log(gpu.device === device, gpu.description);
    `);
    assertClean(outcome);
    assert.match(outcome.stdout, /^true .+ adapter: brought by the caller\n$/);
  });

  test("errors that no scope caught reach the handler until it is taken off", async () => {
    const outcome = await run(`
      const gpu = await requestGpu();
      const errors = [];
      const invalid = async () => {
        gpu.device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE });
        await gpu.device.queue.onSubmittedWorkDone();
        await new Promise((resolve) => setTimeout(resolve, 20));
      };
      const off = gpu.onError((error) => errors.push(error));
      await invalid();
      off();
      gpu.device.addEventListener("uncapturederror", (event) => event.preventDefault());
      await invalid();
      console.log(errors.length, errors[0] instanceof GPUValidationError);
    `);
    assertClean(outcome);
    assert.equal(outcome.stdout, "1 true\n");
    assert.doesNotMatch(outcome.stderr, /BufferUsage/);
  });

  test("Dawn's toggles go through", async () => {
    const outcome = await run(`
      const gpu = await requestGpu({ toggles: ["skip_validation", "-timestamp_quantization"] });
      await square(gpu);
    `);
    assertClean(outcome);
  });
});
