import type { Clip, Loading } from "../../src/clip/index.ts";
import { device } from "../../src/tensor/index.ts";
import type { ModelState } from "../protocol.ts";
import { Features } from "./features.ts";
import { wordsOf } from "./problem.ts";
import { putValue, remove, type Store } from "./store.ts";

/** A model that is ready, and what it made of the pictures. */
export interface Model {
  readonly source: string;
  readonly clip: Clip;
  readonly features: Features;
  readonly isSoftware: boolean;
}

export interface LoaderParts {
  readonly store: Store;
  open(source: string, options: { signal: AbortSignal; onProgress(loading: Loading): void }): Promise<Clip>;
  hasPicture(id: string): boolean;
  changed(): void;
}

/** Loads one model after another; the last stays until the next is ready. */
export class Loader {
  readonly #parts: LoaderParts;
  #model: Model | undefined;
  #state: ModelState = { status: "none", source: "" };
  #loading: AbortController | undefined;

  constructor(parts: LoaderParts) {
    this.#parts = parts;
  }

  get model(): Model | undefined {
    return this.#model;
  }

  get state(): ModelState {
    return this.#state;
  }

  /** Ends what is being loaded. */
  cancel(): void {
    this.#loading?.abort(new DOMException("The download was stopped.", "AbortError"));
  }

  /**
   * Loads a model in the place of the one that is there; one that is being loaded is given up.
   *
   * @throws whatever stands in the way; then the model before it stays
   */
  async load(source: string): Promise<Model> {
    this.cancel();
    const loading = new AbortController();
    this.#loading = loading;
    const show = (state: ModelState) => {
      if (this.#loading !== loading) return;
      this.#state = state;
      this.#parts.changed();
    };
    show({ status: "loading", source });
    try {
      const { signal } = loading;
      const onProgress = ({ loaded, total }: Loading) =>
        show({ status: "loading", source, loaded, ...(total > 0 ? { total } : {}) });
      const clip = await this.#parts.open(source, { signal, onProgress });
      const model = await this.#ready(source, clip).catch((error) => {
        clip.free();
        throw error;
      });
      if (signal.aborted) {
        clip.free();
        throw signal.reason;
      }
      this.#model?.clip.free();
      this.#model = model;
      show({ status: "ready", source });
      await this.#parts.store.write([putValue("model", source)]);
      return model;
    } catch (error) {
      const before = this.#model;
      const why = loading.signal.aborted ? {} : { error: wordsOf(error) };
      if (before) show({ status: "ready", source: before.source, ...why });
      else show(loading.signal.aborted ? { status: "none", source } : { status: "failed", source, ...why });
      throw error;
    } finally {
      if (this.#loading === loading) this.#loading = undefined;
    }
  }

  async #ready(source: string, clip: Clip): Promise<Model> {
    const { store, hasPicture } = this.#parts;
    const kept = await store.features(clip.sha256);
    const orphans = [...kept.keys()].filter((picture) => !hasPicture(picture));
    await store.write(orphans.map((picture) => remove("features", [clip.sha256, picture])));
    for (const picture of orphans) kept.delete(picture);
    const { isSoftware } = await device();
    return { source, clip, isSoftware, features: new Features(clip.config.embedDim, kept) };
  }
}
