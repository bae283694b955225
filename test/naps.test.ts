// While the GPU is waited for, the event loop rests between turns in which nothing is done, and only then.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Waits } from "../src/tensor/waiting.ts";

const TIMEOUT = { timeout: 30_000 };
/** Milliseconds that are looked at. */
const WHILE = 300;

/** Turns of the event loop in that time, each with so many milliseconds of work, asked for as Dawn asks for them. */
async function turns(work = 0): Promise<number> {
  let [count, over] = [0, false];
  const turn = () => {
    const until = performance.now() + work;
    while (performance.now() < until);
    count++;
    if (!over) setImmediate(turn);
  };
  setImmediate(turn);
  await sleep(WHILE);
  over = true;
  return count;
}

/** The same, once with nothing to wait for and once while a device is waited for. */
async function compared(work?: number): Promise<{ free: number; waiting: number }> {
  const waits = new Waits(10, assert.fail);
  const free = await turns(work);
  let arrive = () => {};
  const wait = waits.for("a test", new Promise<void>((resolve) => (arrive = resolve)));
  const waiting = await turns(work);
  arrive();
  await wait;
  return { free, waiting };
}

test("waiting leaves the core to others", TIMEOUT, async () => {
  const { free, waiting } = await compared();
  assert.ok(waiting < free / 5, `${waiting} turns, ${free} with nothing to wait for`);
  const after = await turns();
  assert.ok(after > 5 * waiting, `${after} turns when nothing is waited for any more`);
});

test("turns with work in them go on one after the other", TIMEOUT, async () => {
  const { free, waiting } = await compared(0.3);
  assert.ok(waiting > free / 2, `${waiting} turns, ${free} with nothing to wait for`);
});

test("something that comes back ends the rest: the next wait begins awake", TIMEOUT, async () => {
  const waits = new Waits(10, assert.fail);
  const forever = waits.for("a test", new Promise<void>(() => {}));
  forever.catch(() => {});
  const slow = await turns();
  const progress = setInterval(() => waits.progress(), 1);
  const fast = await turns();
  clearInterval(progress);
  waits.end(new Error("enough"));
  await assert.rejects(forever, /enough/);
  assert.ok(fast > 2 * slow, `${fast} turns with signs of life, ${slow} without`);
});
