import { decodePicture, imageFeatures } from "../../src/clip/index.ts";
import { CoopError, DeviceError } from "../../src/tensor/errors.ts";
import type { Model } from "./loading.ts";
import { put, type Store } from "./store.ts";

/** Pictures in a batch: few sizes, since each has programs of its own. Software adapters gain nothing from large ones. */
const SIZES = { software: [1, 8], hardware: [1, 8, 32] };

/** What the encoder works on. */
export interface Waiting {
  readonly id: string;
  readonly name: string;
}

export interface EncoderParts {
  readonly store: Store;
  model(): Model | undefined;
  /** Pictures without features, the most urgent first. */
  waiting(): readonly Waiting[];
  unreadable(id: string, why: string): Promise<void>;
  /** After each batch, and once more when nothing waits any longer. */
  changed(): void;
  failed(error: unknown): void;
}

/** Encodes what waits, a batch at a time, while there is a model. One bad picture stops none of the others. */
export class Encoder {
  readonly #parts: EncoderParts;
  #working = false;
  #listeners: (() => void)[] = [];

  constructor(parts: EncoderParts) {
    this.#parts = parts;
  }

  /** To be called when there may be something to do. */
  wake(): void {
    if (!this.#working) void this.#work();
  }

  get isWorking(): boolean {
    return this.#working;
  }

  /** Settles after the next batch, or at once where there is nothing to wait for. */
  async progress(): Promise<void> {
    if (this.#working) await new Promise<void>((done) => this.#listeners.push(done));
  }

  async #work(): Promise<void> {
    this.#working = true;
    try {
      while (await this.#encodeSome()) this.#tell();
    } catch (error) {
      this.#parts.failed(error);
    } finally {
      this.#working = false;
      this.#tell();
    }
  }

  #tell(): void {
    for (const done of this.#listeners.splice(0)) done();
    this.#parts.changed();
  }

  /** @returns whether there was something to do */
  async #encodeSome(): Promise<boolean> {
    const { store, waiting, unreadable } = this.#parts;
    const model = this.#parts.model();
    const list = model ? waiting() : [];
    if (!model || list.length === 0) return false;
    const size = batchSize(list.length, model.isSoftware);
    const ready: { id: string; pixels: Float32Array }[] = [];
    for (const { id, name } of list.slice(0, size)) {
      try {
        const file = await store.file(id);
        if (!file) throw new CoopError(`${name} is not kept any more; add it again.`);
        const bytes = new Uint8Array(await file.arrayBuffer());
        ready.push({ id, pixels: model.clip.preprocess(await decodePicture(bytes, name)) });
      } catch (error) {
        if (error instanceof DeviceError) throw error;
        await unreadable(id, error instanceof Error ? error.message : String(error));
      }
    }
    const width = model.clip.config.embedDim;
    const pixels = ready.map((picture) => picture.pixels);
    const rows = await imageFeatures(model.clip, pixels, size).catch((error) => {
      if (this.#parts.model() === model) throw error; // else it was freed meanwhile
      return new Float32Array();
    });
    if (this.#parts.model() !== model) return true;
    const fresh = ready.map(({ id }, i) => ({ id, row: rows.slice(i * width, (i + 1) * width) }));
    await store.write(fresh.map(({ id, row }) => put("features", [model.clip.sha256, id], row)));
    for (const { id, row } of fresh) model.features.set(id, row);
    return true;
  }
}

/** The largest size that is filled, or half filled at least. */
export function batchSize(waiting: number, isSoftware: boolean): number {
  const sizes = SIZES[isSoftware ? "software" : "hardware"];
  return sizes.findLast((size) => waiting > size / 2) ?? 1;
}
