import type { Epoch } from "../../src/coop/epochs.ts";
import { fitLearner, toHost } from "../../src/coop/fit.ts";
import type { PromptLearner, PromptParams } from "../../src/coop/prompt-learner.ts";
import { InputError } from "../../src/tensor/errors.ts";
import type { EpochState, Score, TrainingState } from "../protocol.ts";
import { type Gate, gate } from "./gate.ts";
import { wordsOf } from "./problem.ts";
import { learnerOf, meter, type Session, upload } from "./session.ts";
import { put, putValue, remove, removeAll, type Store } from "./store.ts";
import { type KeptFit, recipeOf, type TrainingRecord } from "./training-record.ts";

export interface TrainingParts {
  readonly store: Store;
  changed(): void;
  /** After each epoch: how many held-out pictures were right. */
  scored(score: Score): void;
  /** After its end, whatever that was. */
  ended(): void;
  /** Told of whatever ends a training; answers whether it can go on once the page was loaded again. */
  interrupted(error: unknown): Promise<boolean>;
}

/** The one training that there is: under way, held, or done and kept. */
export class Training {
  readonly #parts: TrainingParts;
  #record: TrainingRecord | undefined;
  #epochs: EpochState[] = [];
  #status: TrainingState["status"] = "idle";
  #error: string | undefined;
  #running: Promise<void> | undefined;
  /** Where a pause is asked for, and where the training waits in one. */
  #pausing: Gate | undefined;
  #held: Gate | undefined;
  #ending = false;
  /** Names its contexts. */
  #name = "";

  constructor(parts: TrainingParts) {
    this.#parts = parts;
  }

  /** What was kept of the last visit; a training that was under way then is paused. */
  async restore(): Promise<void> {
    const kept = await this.#parts.store.value("training");
    if (!kept) return;
    const { status, ...record } = kept;
    this.#take(record, await this.#parts.store.epochs());
    this.#status = status === "running" ? "paused" : status;
  }

  get record(): TrainingRecord | undefined {
    return this.#record;
  }

  get state(): Omit<TrainingState, "of" | "outdated"> {
    return { status: this.#status, epochs: this.#epochs, ...(this.#error === undefined ? {} : { error: this.#error }) };
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** The number of the last epoch; 0 where there is none. */
  get last(): number {
    return this.#epochs.at(-1)?.epoch ?? 0;
  }

  /** The context after an epoch, and what to call it. InputError where it is not kept. */
  contextOf(epoch: number): { readonly name: string; read(): Promise<Float32Array> } {
    if (!this.#epochs.some((known) => known.epoch === epoch))
      throw new InputError(this.last === 0 ? "No prompt has been learned yet." : `There is no epoch ${epoch}.`);
    const read = async () => {
      const context = await this.#parts.store.context(epoch);
      if (!context) throw new InputError(`The prompt after epoch ${epoch} is not kept any more.`);
      return context;
    };
    return { name: `${this.#name} ${epoch}`, read };
  }

  /** Begins anew; settles once the training is under way. InputError where a prompt is too long for the model. */
  async begin(session: Session): Promise<void> {
    this.#refuseTwice();
    const learner = learnerOf(session);
    await this.#keep(session.record, [], "running");
    this.#start(session, learner, undefined);
  }

  /** Goes on with a training that is held here. */
  release(): boolean {
    if (!this.#held) return false;
    this.#status = "running";
    this.#held.open();
    this.#held = undefined;
    this.#parts.changed();
    return true;
  }

  /** Goes on from the last epoch that was kept. */
  async resume(session: Session): Promise<void> {
    this.#refuseTwice();
    const fit = await this.#parts.store.value("fit");
    const learner = learnerOf(session);
    await this.#parts.store.write([putValue("training", { ...session.record, status: "running" })]);
    this.#start(session, learner, fit);
  }

  /** Settles when the training is held, after the epoch under way. */
  async pause(): Promise<void> {
    if (!this.#running || this.#held) return;
    this.#pausing ??= gate();
    await Promise.race([this.#pausing.opened, this.#running]);
  }

  /** Settles when the training has ended, after the epoch under way. */
  async stop(): Promise<void> {
    if (!this.#running && this.#status === "paused") return this.#end("stopped");
    this.#ending = true;
    this.release();
    await this.#running;
  }

  /** A finished prompt from elsewhere in the place of the training. */
  async replace(record: TrainingRecord, epoch: EpochState, context: Float32Array): Promise<void> {
    await this.stop();
    await this.#keep(record, [[epoch, context]], "finished");
    this.#parts.changed();
  }

  /** Forgets what is in memory; the store is its owner's to clear. */
  async forget(): Promise<void> {
    await this.stop();
    this.#take(undefined, []);
    this.#status = "idle";
  }

  #refuseTwice(): void {
    if (this.#running) throw new InputError("A training is under way; stop it first.");
  }

  #take(record: TrainingRecord | undefined, epochs: EpochState[]): void {
    this.#record = record;
    this.#epochs = epochs;
    this.#error = undefined;
    this.#name = crypto.randomUUID();
  }

  /** Replaces what is kept of the training before. */
  async #keep(record: TrainingRecord, epochs: [EpochState, Float32Array][], status: TrainingState["status"]) {
    const lines = epochs.flatMap(([line, context]) => [
      put("epochs", line.epoch, line),
      put("contexts", line.epoch, context),
    ]);
    const before = [removeAll("epochs"), removeAll("contexts"), remove("values", "fit")];
    await this.#parts.store.write([...before, ...lines, putValue("training", { ...record, status })]);
    this.#take(
      record,
      epochs.map(([line]) => line),
    );
    this.#status = status;
  }

  #start(session: Session, learner: PromptLearner, from: KeptFit | undefined): void {
    this.#ending = false;
    this.#error = undefined;
    this.#status = "running";
    this.#running = this.#run(session, learner, from).finally(() => {
      this.#running = undefined;
      this.#held = this.#pausing = undefined;
      this.#parts.ended();
      this.#parts.changed();
    });
    this.#parts.changed();
  }

  async #run(session: Session, learner: PromptLearner, from: KeptFit | undefined): Promise<void> {
    const recipe = recipeOf(session.record.settings);
    const labels = Int32Array.from(session.record.shots, ({ label }) => label);
    const measure = meter(session);
    let before = this.#epochs.at(-1)?.seconds ?? 0;
    let since = performance.now();

    const onEpoch = async (state: Epoch<PromptParams>): Promise<"stop" | undefined> => {
      const { params, optimizer } = await toHost({ params: state.params, optimizer: state.optimizer });
      const { epoch, loss, learningRate } = state;
      const { accuracy, heldOut } = await measure(`${this.#name} ${epoch}`, params.context);
      const seconds = before + (performance.now() - since) / 1000;
      const heldOutAccuracy = heldOut && heldOut.correct / heldOut.count;
      const line = { epoch, loss, learningRate, accuracy, ...(heldOut ? { heldOutAccuracy } : {}), seconds };
      await this.#parts.store.write([
        put("epochs", epoch, line),
        put("contexts", epoch, params.context),
        putValue("fit", { params, optimizer, epoch }),
      ]);
      this.#epochs = [...this.#epochs, line];
      if (heldOut) this.#parts.scored(heldOut);
      this.#parts.changed();
      if (this.#pausing && epoch < recipe.epochs) {
        await this.#hold();
        before = seconds;
        since = performance.now();
      }
      return this.#ending ? "stop" : undefined;
    };

    try {
      const examples = { features: session.shots, labels };
      await fitLearner(learner, examples, recipe, { from: from && upload(learner, session, from), onEpoch });
      await this.#end(this.last < recipe.epochs ? "stopped" : "finished");
    } catch (error) {
      if (await this.#parts.interrupted(error)) {
        this.#status = "paused";
        return;
      }
      this.#status = "failed";
      this.#error = wordsOf(error);
      await this.#end("failed").catch(() => {}); // the store may be what failed
    }
  }

  async #hold(): Promise<void> {
    this.#held = gate();
    this.#status = "paused";
    this.#pausing!.open();
    this.#pausing = undefined;
    this.#parts.changed();
    await this.#held.opened;
  }

  async #end(status: TrainingState["status"]): Promise<void> {
    await this.#parts.store.write([putValue("training", { ...this.#record!, status })]);
    this.#status = status;
    this.#parts.changed();
  }
}
