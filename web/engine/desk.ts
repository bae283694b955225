import { CoopError, InputError } from "../../src/tensor/errors.ts";
import type { Settings, State, TrainingState } from "../protocol.ts";
import { Classifiers, type PromptLayout } from "./classifiers.ts";
import { type Collection, type Parts, TRIES } from "./collection.ts";
import type { Loader, Model } from "./loading.ts";
import type { Session } from "./session.ts";
import { DEFAULTS } from "./settings.ts";
import type { KeptPicture, Store } from "./store.ts";
import type { Training } from "./training.ts";
import { contextShape, type LabelledPicture, sameStart, sameTraining, type TrainingRecord } from "./training-record.ts";

/** What lies before the user: classes, pictures, settings, the model and the training, and what follows from them. */
export class Desk {
  settings: Settings = DEFAULTS;
  #classifiers: { readonly of: Model; readonly classifiers: Classifiers } | undefined;

  constructor(
    readonly store: Store,
    readonly collection: Collection,
    readonly loader: Loader,
    readonly training: Training,
  ) {}

  /** InputError where there is none yet. */
  get model(): Model {
    const { model, state } = this.loader;
    if (model) return model;
    throw new InputError(state.status === "loading" ? "The model is still being loaded." : "Choose a model first.");
  }

  get classifiers(): Classifiers {
    const { model } = this;
    if (this.#classifiers?.of !== model) this.#classifiers = { of: model, classifiers: new Classifiers(model.clip) };
    return this.#classifiers.classifiers;
  }

  get parts(): Parts {
    return this.collection.parts(this.settings);
  }

  /** The pictures that wait for features: those to try first, then the shots. */
  waiting(): KeptPicture[] {
    const { model } = this.loader;
    if (!model) return [];
    const shots = new Set(this.parts.shots.map(({ picture }) => picture));
    const urgency = ({ id, place }: KeptPicture) => (place === TRIES ? 0 : shots.has(id) ? 1 : 2);
    return this.collection.pictures
      .filter(({ id, unreadable }) => unreadable === undefined && !model.features.has(id))
      .toSorted((a, b) => urgency(a) - urgency(b));
  }

  /** Features of pictures [N, E]; undefined where not all of them have some. */
  featuresOf(pictures: readonly LabelledPicture[]): Float32Array | undefined {
    const { features } = this.model;
    const ids = pictures.map(({ picture }) => picture);
    return ids.every((id) => features.has(id) && this.collection.has(id)) ? features.of(ids) : undefined;
  }

  /** What a training would be that began now. */
  record(): TrainingRecord {
    const { model, settings } = this;
    const { name, sha256 } = model.clip;
    return {
      model: { name, sha256 },
      settings,
      classes: this.collection.classes,
      shape: contextShape(model.clip, settings, this.collection.classes.length),
      ...this.parts,
    };
  }

  /** What a training works with. InputError where features are missing. */
  session(record: TrainingRecord): Session {
    const shots = this.featuresOf(record.shots);
    if (!shots) throw new InputError("Pictures that it learned from are gone; train from the beginning.");
    const { model, classifiers, collection } = this;
    const heldOut = () => {
      const there = record.heldOut.filter(({ picture }) => collection.has(picture));
      if (!there.every(({ picture }) => model.features.has(picture))) return undefined;
      const features = model.features.of(there.map(({ picture }) => picture));
      return { labels: there.map(({ label }) => label), features };
    };
    return { clip: model.clip, classifiers, record, shots, heldOut };
  }

  /** The record to go on from. InputError where there is none, or not with things as they are. */
  resumable(): TrainingRecord {
    const { record } = this.training;
    if (!record) throw new InputError("There is no training to go on with.");
    if (record.imported)
      throw new InputError("An imported prompt cannot be trained further; train from the beginning.");
    if (record.model.sha256 !== this.model.clip.sha256)
      throw new InputError(`This training was begun with ${record.model.name}; choose that model to go on.`);
    if (!sameStart(record, this.record()))
      throw new InputError(
        "Classes or pictures have been changed since this training began; train from the beginning.",
      );
    return record;
  }

  /** How the learned prompt asks about the classes as they are now. InputError where it cannot. */
  layout(): PromptLayout {
    const { record } = this.training;
    if (!record || this.training.last === 0) throw new InputError("No prompt has been learned yet.");
    if (record.model.sha256 !== this.model.clip.sha256)
      throw new InputError(`This prompt was learned with ${record.model.name}; choose that model to ask it.`);
    const { classes, classNames } = this.collection;
    const same = classes.length === record.classes.length && classes.every(({ id }, i) => id === record.classes[i].id);
    if (record.settings.classSpecific && !same)
      throw new InputError("Class-specific prompts serve only the classes that they were learned for; train again.");
    return { classNames, shape: record.shape, position: record.settings.position };
  }

  /** Why a training cannot begin; undefined where it can. */
  obstacle(): string | undefined {
    const { classes } = this.collection;
    if (!this.loader.model) return "A model is needed.";
    if (classes.length < 2) return "Two classes are needed, or more.";
    const { shots } = this.parts;
    const empty = classes.find((_, label) => !shots.some((shot) => shot.label === label));
    return empty && `“${empty.name}” has no picture to learn from.`;
  }

  trainingState(): TrainingState {
    const { state, record, isRunning } = this.training;
    const error = state.error ?? (isRunning ? undefined : this.obstacle());
    return {
      ...state,
      ...(error === undefined ? {} : { error }),
      of: (record ?? this).settings.epochs,
      outdated: record !== undefined && this.loader.model !== undefined && !this.#holds(record),
    };
  }

  /** Whether a prompt is what a training would learn now. */
  #holds(record: TrainingRecord): boolean {
    if (!record.imported) return sameTraining(record, this.record());
    try {
      this.layout();
      return true;
    } catch (error) {
      if (error instanceof CoopError) return false;
      throw error;
    }
  }

  snapshot(): Pick<State, "model" | "classes" | "tries" | "settings" | "training"> {
    const features = this.loader.model?.features;
    const heldOut = new Set(this.parts.heldOut.map(({ picture }) => picture));
    const shown = ({ id, name, unreadable }: KeptPicture) => ({
      id,
      name,
      heldOut: heldOut.has(id),
      ...(unreadable === undefined
        ? { status: features?.has(id) ? ("encoded" as const) : ("waiting" as const) }
        : { status: "unreadable" as const, reason: unreadable }),
    });
    const places = this.collection.byPlace();
    return {
      model: this.loader.state,
      classes: this.collection.classes.map(({ id, name }) => ({ id, name, pictures: places.get(id)!.map(shown) })),
      tries: places.get(TRIES)!.map(shown),
      settings: this.settings,
      training: this.trainingState(),
    };
  }
}
