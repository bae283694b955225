import { proxy, type Remote, wrap } from "comlink";
import type { Engine, State } from "../protocol.ts";

/** A worker that runs. */
export interface Client {
  readonly engine: Remote<Engine>;
  /** Rejects when the worker has ended, since calls to it are never answered then. */
  readonly ended: Promise<never>;
  end(): void;
}

/** Starts the worker; `onCrash` is told, in a sentence, when it cannot go on. */
export function startWorker(onState: (state: State) => void, onCrash: (message: string) => void): Client {
  const worker = new Worker(new URL("../engine/worker.ts", import.meta.url), { type: "module" });
  const engine = wrap<Engine>(worker);
  let lose: (reason: Error) => void;
  const ended = new Promise<never>((_, reject) => {
    lose = reject;
  });
  ended.catch(() => {}); // it may end while nobody waits
  let running = true;

  function crash(message: string): void {
    if (running) onCrash(`${message.replace(/[.!]?$/, ".")} What was kept comes back when you go on.`);
  }
  worker.onerror = (event) => crash(event.message || "The part of the page that computes could not be loaded");
  worker.onmessageerror = () => crash("A message between the two parts of the page could not be read");
  engine.start(proxy((state: State) => running && onState(state))).catch((error: Error) => crash(error.message));

  return {
    engine,
    ended,
    end() {
      running = false;
      worker.terminate();
      lose(new Error("The page started again before this was done."));
    },
  };
}
