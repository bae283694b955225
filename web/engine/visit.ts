import { imageFeatures } from "../../src/clip/index.ts";
import { DeviceError, InputError } from "../../src/tensor/errors.ts";
import type { Added, Place, Settings, State } from "../protocol.ts";
import { Collection } from "./collection.ts";
import { Desk } from "./desk.ts";
import { Encoder } from "./encoder.ts";
import { examiner } from "./examiner.ts";
import { importedPrompt } from "./import-run.ts";
import { Loader } from "./loading.ts";
import { openModel } from "./model.ts";
import { TINY } from "./model-source.ts";
import { orders } from "./orders.ts";
import { makeThumbnail } from "./picture-file.ts";
import { openRun } from "./run-zip.ts";
import { drawSample } from "./samples.ts";
import { Scores } from "./scores.ts";
import { changedSettings, DEFAULTS } from "./settings.ts";
import { put, putValue, remove, removeAll, type Store } from "./store.ts";
import { Training } from "./training.ts";

export interface VisitParts {
  readonly store: Store;
  changed(): void;
  /** Something that was not asked for went wrong. */
  failed(error: unknown): void;
  interrupted(error: unknown): Promise<boolean>;
}

/** What the user can do, from the first state of a visit on. */
export class Visit {
  readonly desk: Desk;
  readonly scores: Scores;
  readonly #parts: VisitParts;
  readonly #encoder: Encoder;
  /** Changes of classes, pictures and training come one after another. */
  readonly #inOrder = orders();
  readonly #thumbnails = orders();

  constructor(parts: VisitParts) {
    const { store, changed, failed, interrupted } = parts;
    this.#parts = parts;
    const collection = new Collection(store);
    const loader = new Loader({ store, changed, open: openModel, hasPicture: (id) => collection.has(id) });
    const training = new Training({
      store,
      changed,
      interrupted,
      scored: (score) => {
        if (!this.desk.trainingState().outdated) this.scores.set("prompt", score);
      },
      ended: () => this.scores.refresh(),
    });
    this.desk = new Desk(store, collection, loader, training);
    this.#encoder = new Encoder({
      store,
      failed,
      model: () => loader.model,
      waiting: () => this.desk.waiting(),
      unreadable: (id, why) =>
        this.#inOrder(async () => {
          if (collection.has(id)) await collection.markUnreadable(id, why);
        }),
      changed: () => {
        if (this.desk.waiting().length === 0) this.scores.refresh();
        changed();
      },
    });
    this.scores = new Scores({ ...examiner(this.desk), changed, failed: (error) => this.#scoresFailed(error) });
  }

  /** What was kept; then the model may be loaded. */
  async restore(): Promise<void> {
    const { desk } = this;
    desk.settings = { ...DEFAULTS, ...(await desk.store.value("settings")) };
    await desk.collection.restore();
    await desk.training.restore();
    this.#changed();
  }

  /** The model of the last visit, or the one that comes with the page. */
  async loadFirstModel(): Promise<void> {
    const source = (await this.desk.store.value("model")) ?? TINY;
    await this.#load(source).catch((error) => {
      if (error instanceof DeviceError) this.#parts.failed(error); // all else is said by the model's state
    });
  }

  async loadModel(source: string): Promise<void> {
    if (this.desk.training.isRunning) throw new InputError("Stop the training before you choose another model.");
    await this.#load(source);
  }

  addClass(name: string): Promise<string> {
    return this.#change(() => this.desk.collection.addClass(name));
  }

  renameClass(id: string, name: string): Promise<void> {
    return this.#change(() => this.desk.collection.renameClass(id, name));
  }

  removeClass(id: string): Promise<void> {
    return this.#change(() => this.desk.collection.removeClass(id));
  }

  removePicture(id: string): Promise<void> {
    return this.#change(() => this.desk.collection.removePicture(id));
  }

  addPictures(to: Place, files: readonly File[]): Promise<Added> {
    return this.#change(() => this.desk.collection.addPictures(to, files, () => this.#changed()));
  }

  async loadSample(name: string): Promise<void> {
    const { classNames, files } = await drawSample(name);
    await this.#change(async () => {
      const { collection, training } = this.desk;
      await training.stop();
      const classes = classNames.map((className) => ({ id: crypto.randomUUID(), name: className }));
      await collection.replaceClasses(classes);
      for (const [i, { id }] of classes.entries()) await collection.addPictures(id, files[i], () => this.#changed());
    });
  }

  clear(): Promise<void> {
    return this.#change(async () => {
      const { store, training, collection } = this.desk;
      await training.forget();
      const values = (["classes", "settings", "training", "fit"] as const).map((key) => remove("values", key));
      const tables = (["pictures", "files", "thumbnails", "features", "epochs", "contexts"] as const).map(removeAll);
      await store.write([...values, ...tables]);
      this.desk.settings = DEFAULTS;
      await collection.restore();
    });
  }

  thumbnail(id: string): Promise<Blob> {
    return this.#thumbnails(async () => {
      const { store, collection } = this.desk;
      const { name } = collection.picture(id);
      const kept = await store.thumbnail(id);
      if (kept) return kept;
      const file = await store.file(id);
      const made = file && (await makeThumbnail(file).catch(() => undefined));
      if (!made) throw new InputError(`${name} cannot be shown.`);
      await store.write([put("thumbnails", id, made)]).catch(() => {}); // without room it is made again
      return made;
    });
  }

  set(settings: Partial<Settings>): Promise<void> {
    return this.#change(() => this.#set(changedSettings(this.desk.settings, settings)));
  }

  async train(): Promise<void> {
    const { desk } = this;
    const why = desk.obstacle();
    if (why) throw new InputError(why);
    await this.#encoded();
    await this.#inOrder(async () => {
      await desk.training.begin(desk.session(desk.record()));
      this.scores.set("prompt", undefined);
    });
  }

  async resume(): Promise<void> {
    const { training } = this.desk;
    if (training.release()) return;
    await this.#inOrder(async () => {
      if (training.isRunning) return;
      await training.resume(this.desk.session(this.desk.resumable()));
    });
  }

  async importRun(files: readonly File[]): Promise<void> {
    const opened = await openRun(files);
    await this.#change(async () => {
      const { collection, training, model, settings } = this.desk;
      const places = collection.byPlace();
      const here = collection.classes.map((known) => ({ ...known, pictures: places.get(known.id)!.length }));
      const { record, epoch, context } = await importedPrompt(opened, model.clip, here, settings);
      await collection.replaceClasses(record.classes);
      await this.#set(record.settings);
      await training.replace(record, epoch, context);
    });
  }

  snapshot(): Omit<State, "samples" | "adapter" | "problem"> {
    return { ...this.desk.snapshot(), scores: this.scores.values };
  }

  async #load(source: string): Promise<void> {
    const { clip } = await this.desk.loader.load(source);
    this.#changed();
    // its first answer shall not have to wait for programs to be compiled
    const side = clip.config.vision.imageSize;
    void imageFeatures(clip, [new Float32Array(3 * side * side)], 1).catch((error) => {
      if (this.desk.loader.model?.clip === clip) this.#parts.failed(error);
    });
  }

  #change<T>(order: () => Promise<T>): Promise<T> {
    return this.#inOrder(async () => {
      try {
        return await order();
      } finally {
        this.#changed();
      }
    });
  }

  #changed(): void {
    this.scores.outdate();
    this.#encoder.wake();
    this.#parts.changed();
  }

  async #set(settings: Settings): Promise<void> {
    await this.desk.store.write([putValue("settings", settings)]);
    this.desk.settings = settings;
  }

  /** Settles when all pictures to learn from are encoded. */
  async #encoded(): Promise<void> {
    const { desk } = this;
    const missing = () => desk.parts.shots.filter(({ picture }) => !desk.model.features.has(picture)).length;
    for (let left = missing(); left > 0; ) {
      this.#encoder.wake();
      await this.#encoder.progress();
      const now = missing();
      if (now >= left && !this.#encoder.isWorking) throw new InputError("Not all pictures could be encoded.");
      left = now;
    }
  }

  /** Without an answer there is no score; but what the device says concerns all. */
  #scoresFailed(error: unknown): void {
    if (error instanceof DeviceError) this.#parts.failed(error);
  }
}
