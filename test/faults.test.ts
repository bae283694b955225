// A training on devices that fail, at a few of the calls that `npm run faults` tries.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { DeviceError, DeviceHungError, DeviceLostError, OutOfMemoryError } from "../src/tensor/errors.ts";
import { add, compile, device, mul, ones, retryOnLoss, sum, type Tensor, tensor, upload } from "../src/tensor/index.ts";
import { kept } from "../src/tensor/kept.ts";
import { inTime, patience, Waits } from "../src/tensor/waiting.ts";
import { FAULTS, type Fault } from "./faulty-gpu.ts";
import { type Ingredients, ingredients, openFaulty, strike, training } from "./faulty-training.ts";
import { collectGarbage } from "./garbage.ts";
import { MORE } from "./gpu-settings.ts";

const TIMEOUT = { timeout: 120_000 * MORE };
const POINTS: Readonly<Record<Fault, number>> = { throw: 5, lost: 3, refused: 2, memory: 3, hang: 1 };

const unhandled: unknown[] = [];
process.on("unhandledRejection", (error) => unhandled.push(error));

let what: Ingredients;
let [expected, calls] = ["", 0];
before(async () => {
  what = await ingredients();
  const dir = await mkdtemp(join(tmpdir(), "coop-faults-"));
  const { gpu, on } = await openFaulty();
  expected = await training(what, dir);
  calls = gpu.calls.length;
  on.release();
  gpu.device.destroy();
  await rm(dir, { recursive: true });
});
after(() => assert.deepEqual(unhandled, []));

describe(
  "a training whose device fails ends with a named error, leaks nothing, and goes on to the same bits",
  TIMEOUT,
  () => {
    for (const fault of FAULTS) {
      test(fault, TIMEOUT, async () => {
        const count = POINTS[fault] * MORE;
        for (let i = 0; i < count; i++) {
          const outcome = await strike(what, fault, 1 + Math.floor(((i + 0.5) * calls) / count), expected);
          assert.deepEqual(outcome.wrong, [], `${fault} at ${outcome.at}, ${outcome.call}`);
        }
      });
    }
  },
);

describe("memory that is not there", TIMEOUT, () => {
  test("a buffer that the GPU has not given spoils what was computed with it, and nothing else", TIMEOUT, async () => {
    const { gpu, on } = await openFaulty();
    const kept = mul(tensor([1, 2, 3]), 2);
    await kept.data();
    const run = compile((x: Tensor) => ({ y: add(x, sum(x)) }));
    gpu.plan("memory");
    const before = tensor([4, 5]);
    const { y } = run(before);
    await assert.rejects(y.data(), (error) => error instanceof OutOfMemoryError && /in use/.test(error.message));
    await on.idle();
    await assert.rejects(async () => (await before.data()) && add(y, 1).data(), OutOfMemoryError);
    assert.deepEqual([...(await kept.data())], [2, 4, 6]);
    const again = run(tensor([4, 5]));
    assert.deepEqual([...(await again.y.data())], [13, 14]);
    assert.equal(gpu.bytes, on.memory().bytes);
    on.release();
  });

  test("a limit of one's own is kept, and the error says what was asked for", TIMEOUT, async () => {
    const on = await device();
    on.buffers.limit = on.memory().bytes + 2 ** 20;
    const big = tensor(new Float32Array(2 ** 19));
    await assert.rejects(add(big, 1).data(), (error) => {
      assert.ok(error instanceof OutOfMemoryError);
      assert.match(error.message, /no 2\.0 MiB left \([\d.]+ MiB in use\): COOP_MEMORY allows/);
      assert.equal(error.asked, 2 ** 21);
      return true;
    });
    assert.deepEqual([...(await add(tensor([1]), 1).data())], [2]);
    await assert.rejects(
      add(ones([25 * 2 ** 30]), 1).data(), // more than a kernel could count
      (error) =>
        error instanceof OutOfMemoryError && /102400\.0 MiB is larger than this device binds/.test(error.message),
    );
    await assert.rejects(
      upload([25 * 2 ** 30], "f32", () => {}),
      (error) =>
        error instanceof OutOfMemoryError && /102400\.0 MiB is larger than this device binds/.test(error.message),
    );
    assert.deepEqual([...(await add(tensor([1]), 1).data())], [2]);
    on.release();
  });
});

test("an error that is kept holds on to nothing that was being called", TIMEOUT, async () => {
  class Caller {
    fail(): Error {
      return new Error("of a method");
    }
  }
  let gone = false;
  const registry = new FinalizationRegistry(() => {
    gone = true;
  });
  const made = (): Error => {
    const caller = new Caller();
    registry.register(caller, undefined);
    return kept(caller.fail());
  };
  const error = made();
  await collectGarbage(() => gone);
  assert.ok(gone);
  assert.equal(error.message, "of a method");
});

describe("a device that goes", TIMEOUT, () => {
  test(
    "ends what waits for it at once; its tensors say so, and compiled functions go on with the next",
    TIMEOUT,
    async () => {
      const on = await device();
      const twice = compile((x: Tensor) => mul(x, 2));
      const old = twice(tensor([1, 2]));
      await old.data();
      const waiting = [old.data(), twice(old).data(), on.idle()];
      const started = performance.now();
      on.gpu.destroy();
      for (const end of await Promise.allSettled(waiting)) {
        assert.ok(end.status === "rejected" ? end.reason instanceof DeviceLostError : true);
      }
      assert.ok(performance.now() - started < 1000);
      await on.gpu.lost;
      await assert.rejects(tensor([1]).data(), DeviceLostError);
      const losses: string[] = [];
      const values = await retryOnLoss(async () => [...(await twice(tensor([3])).data())], {
        onLoss: ({ message }) => losses.push(message),
      });
      assert.deepEqual(values, [6]);
      assert.equal(losses.length, 1);
      assert.match(losses[0], /--resume/);
      await assert.rejects(async () => twice(old).data(), /lay on a device that was lost/);
      (await device()).release();
    },
  );

  test("work that loses every device ends with the loss", TIMEOUT, async () => {
    let attempts = 0;
    const work = async () => {
      attempts++;
      (await device()).gpu.destroy();
      await (await device()).gpu.lost;
      await tensor([1]).data();
    };
    await assert.rejects(retryOnLoss(work, { attempts: 2 }), DeviceLostError);
    assert.equal(attempts, 2);
  });
});

describe("waiting", TIMEOUT, () => {
  test("ends where nothing comes back, but not while anything does", async () => {
    const hung: Error[] = [];
    const waits = new Waits(0.3, (error) => hung.push(error));
    const never = waits.for("nothing", new Promise(() => {}));
    never.catch(() => {});
    for (let i = 0; i < 5; i++) await waits.for("something", new Promise((done) => setTimeout(done, 100)));
    assert.deepEqual(hung, []);
    await assert.rejects(never, (error) => error instanceof DeviceHungError && /COOP_GPU_TIMEOUT/.test(error.message));
    assert.equal(hung.length, 1);
  });

  test("an adapter that never comes is an error", async () => {
    await assert.rejects(inTime(0.2, "looking for an adapter", new Promise(() => {})), /looking for an adapter/);
  });

  test("COOP_GPU_TIMEOUT is seconds, or an error", () => {
    try {
      for (const [asked, seconds] of [
        ["0.2", 0.2],
        ["60", 60],
        ["", 600],
      ] as const) {
        process.env.COOP_GPU_TIMEOUT = asked;
        assert.equal(patience(), seconds);
      }
      for (const asked of ["0", "-1", "ten", "Infinity", "1e9"]) {
        process.env.COOP_GPU_TIMEOUT = asked;
        assert.throws(
          patience,
          (error) => error instanceof DeviceError && /is "[^"]+"; give seconds/.test(error.message),
        );
      }
    } finally {
      delete process.env.COOP_GPU_TIMEOUT;
    }
  });
});
