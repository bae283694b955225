import { CoopError, DeviceError, InputError } from "../../src/tensor/errors.ts";
import { device } from "../../src/tensor/index.ts";
import type { ClassifierName, Engine, Place, Problem, Settings, State } from "../protocol.ts";
import { gate } from "./gate.ts";
import { crashed, deviceLost, graver, messageOf, ProblemError, problemOf, StorageError } from "./problem.ts";
import { publisher } from "./publisher.ts";
import { answers, exportRun, words } from "./questions.ts";
import { SAMPLES } from "./samples.ts";
import { DEFAULTS } from "./settings.ts";
import { openStore } from "./store.ts";
import { takeTurn } from "./turn.ts";
import { Visit } from "./visit.ts";

/** Milliseconds in which a device that is gone is known to be gone. */
const SOON = 500;

const NOTHING: Omit<State, "samples" | "adapter" | "problem"> = {
  model: { status: "none", source: "" },
  classes: [],
  tries: [],
  settings: DEFAULTS,
  training: { status: "idle", epochs: [], of: DEFAULTS.epochs, outdated: false },
  scores: {},
};

/** What the worker offers to the page: a visit, and what stands in its way. */
export class PageEngine implements Engine {
  #visit: Visit | undefined;
  #adapter: string | undefined;
  #problem: Problem | undefined;
  #changed: (() => void) | undefined;
  /** Opens when what was kept is here, and when the first model is, or it is known that they will not be. */
  readonly #restored = gate();
  readonly #begun = gate();
  #lost: Promise<unknown> = new Promise(() => {});

  async start(onState: (state: State) => void): Promise<void> {
    if (this.#changed) throw new Error("The engine has been started already.");
    this.#changed = publisher(() => this.#state(), onState);
    this.#changed();
    globalThis.addEventListener("unhandledrejection", ({ reason }) => void this.#crashed(reason));
    globalThis.addEventListener("error", ({ error, message }) => void this.#crashed(error ?? message));
    const gpu = this.#openDevice();
    try {
      await takeTurn();
      const store = await openStore();
      const visit = new Visit({
        store,
        changed: this.#changed,
        failed: (error) => void this.#crashed(error),
        interrupted: (error) => this.#interrupted(error),
      });
      await visit.restore();
      this.#visit = visit;
      this.#changed();
    } catch (error) {
      this.#found(problemOf(error) ?? crashed(error));
    }
    this.#restored.open();
    if (await gpu) await this.#visit?.loadFirstModel();
    this.#begun.open();
  }

  loadModel = (source: string) => this.#do((visit) => visit.loadModel(source));
  cancelModel = () => this.#do(async ({ desk }) => desk.loader.cancel());

  addClass = (name: string) => this.#do((visit) => visit.addClass(name));
  renameClass = (id: string, name: string) => this.#do((visit) => visit.renameClass(id, name));
  removeClass = (id: string) => this.#makeRoom((visit) => visit.removeClass(id));
  addPictures = (to: Place, files: readonly File[]) => this.#do((visit) => visit.addPictures(to, files));
  removePicture = (id: string) => this.#makeRoom((visit) => visit.removePicture(id));
  loadSample = (name: string) => this.#do((visit) => visit.loadSample(name));
  clear = () => this.#makeRoom((visit) => visit.clear());
  thumbnail = (id: string) => this.#do((visit) => visit.thumbnail(id));

  set = (settings: Partial<Settings>) => this.#do((visit) => visit.set(settings));
  train = () => this.#withModel((visit) => visit.train());
  pause = () => this.#do(({ desk }) => desk.training.pause());
  resume = () => this.#withModel((visit) => visit.resume());
  stop = () => this.#do(({ desk }) => desk.training.stop());

  answers = (of: "held-out" | "shots" | "tries", by: ClassifierName, epoch?: number) =>
    this.#withModel(({ desk }) => answers(desk, of, by, epoch));
  words = (epoch?: number) => this.#withModel(({ desk }) => words(desk, epoch));
  exportRun = () => this.#withModel(({ desk }) => exportRun(desk));
  importRun = (files: readonly File[]) => this.#withModel((visit) => visit.importRun(files));

  #state(): State {
    return {
      ...(this.#visit?.snapshot() ?? NOTHING),
      samples: SAMPLES,
      ...(this.#adapter === undefined ? {} : { adapter: this.#adapter }),
      ...(this.#problem === undefined ? {} : { problem: this.#problem }),
    };
  }

  /** @returns whether there is one */
  async #openDevice(): Promise<boolean> {
    try {
      const { adapter, gpu } = await device();
      this.#adapter = adapter;
      this.#lost = gpu.lost.then(() => this.#found(deviceLost())); // nobody here lets go of it
      this.#changed?.();
      return true;
    } catch (error) {
      this.#found({ kind: "no-webgpu", message: messageOf(error) });
      return false;
    }
  }

  /** Does what was asked for, unless something stands in the way. Full storage does not: what is removed makes room. */
  async #do<T>(order: (visit: Visit) => Promise<T>): Promise<T> {
    if (!this.#changed) throw new Error("The engine has not been started.");
    await this.#restored.opened;
    this.#mayGoOn();
    try {
      return await order(this.#visit!);
    } catch (error) {
      if (!(error instanceof InputError)) await this.#interrupted(error);
      this.#mayGoOn();
      throw error instanceof Error ? error : new Error(messageOf(error));
    }
  }

  #mayGoOn(): void {
    if (this.#problem && (this.#problem.kind !== "storage" || !this.#visit))
      throw new ProblemError(this.#problem.message);
  }

  /** The same, once the first model is there. */
  #withModel<T>(order: (visit: Visit) => Promise<T>): Promise<T> {
    return this.#do(async (visit) => {
      await this.#begun.opened;
      return order(visit);
    });
  }

  /** The same; what is removed may be what was too much. */
  async #makeRoom<T>(order: (visit: Visit) => Promise<T>): Promise<T> {
    const result = await this.#do(order);
    if (this.#problem?.kind === "storage") this.#problem = undefined;
    this.#changed?.();
    return result;
  }

  #found(problem: Problem): void {
    this.#problem = graver(this.#problem, problem);
    this.#changed?.();
  }

  /** Takes note of what went wrong; answers whether the device is gone, so that all goes on in a fresh worker. */
  async #interrupted(error: unknown): Promise<boolean> {
    const innocent = error instanceof InputError || error instanceof StorageError;
    if (!innocent && (error instanceof DeviceError || !(error instanceof CoopError)))
      await Promise.race([this.#lost, new Promise((done) => setTimeout(done, SOON))]);
    const problem = problemOf(error);
    if (problem) this.#found(problem);
    return this.#problem?.kind === "device-lost";
  }

  async #crashed(error: unknown): Promise<void> {
    if (error instanceof InputError || (error instanceof DOMException && error.name === "AbortError")) return;
    if (!(await this.#interrupted(error)) && !problemOf(error)) this.#found(crashed(error));
  }
}
