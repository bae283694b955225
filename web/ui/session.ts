import { computed, signal } from "@preact/signals";
import type { Remote } from "comlink";
import type { Engine, Problem, State } from "../protocol.ts";
import { type Client, startWorker } from "./client.ts";
import { keep } from "./keep.ts";

/** What the worker said last; undefined until it has said something. */
export const state = signal<State | undefined>(undefined);

const part = <K extends keyof State>(name: K) => computed(() => state.value![name]);
/** The parts of the state, each a signal of its own; to be read once there is a state. */
export const now = {
  adapter: part("adapter"),
  model: part("model"),
  samples: part("samples"),
  classes: part("classes"),
  tries: part("tries"),
  settings: part("settings"),
  training: part("training"),
  scores: part("scores"),
};

/** Counts the workers: another one begins where the last one was lost. */
export const round = signal(0);

const crash = signal<string | undefined>(undefined);
let client: Client | undefined;
/** Resolves with the first state of the worker that runs now. */
let started = Promise.resolve();
let wasTraining = false;

export const problem = computed<Problem | undefined>(() => {
  const said = state.value?.problem;
  return said ?? (crash.value === undefined ? undefined : { kind: "crashed", message: crash.value });
});

/** Starts the worker, in place of the one before. What was kept comes back with its first state. */
export function start(): void {
  client?.end();
  crash.value = undefined;
  round.value++;
  started = new Promise((resolve) => {
    client = startWorker(
      (next) => {
        if (!next.problem) wasTraining = next.training.status === "running";
        state.value = keep(state.peek(), next);
        resolve();
      },
      (message) => {
        crash.value = message;
        resolve();
      },
    );
  });
}

/** Calls the worker. Rejects with a message that can be shown, also when the worker ends before it has answered. */
export function ask<T>(call: (engine: Remote<Engine>) => Promise<T>): Promise<T> {
  if (!client) throw new Error("start() comes first");
  return Promise.race([call(client.engine), client.ended]);
}

/** After a crash or a lost device: a new worker, which takes up the training if one was under way. */
export async function goOn(): Promise<void> {
  const train = wasTraining;
  start();
  await started;
  if (train && !problem.peek()) await ask((engine) => engine.resume());
}
