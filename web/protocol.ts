/**
 * What the page and its worker say to each other. The worker (`engine/`) holds everything: the model, the pictures, the
 * training and what is kept between visits. The page (`ui/`) shows the last `State` it was sent and asks for changes; it
 * computes nothing that could take longer than a frame.
 */

/** All that a user can ask for. Every promise rejects with an `Error` whose message is fit to be shown. */
export interface Engine {
  /**
   * Brings up the adapter, what was kept of the last visit and the model. `onState` gets the first state at once and a new
   * one after each change, at most ten a second.
   */
  start(onState: (state: State) => void): Promise<void>;
  /** "tiny", a hub name such as "openai/clip-vit-base-patch32", or the address of a folder. Pictures are encoded anew. */
  loadModel(source: string): Promise<void>;
  /** Ends a download that is under way; the model before it stays. */
  cancelModel(): Promise<void>;

  /** @returns the new class's id. An empty or taken name is an error. */
  addClass(name: string): Promise<string>;
  renameClass(id: string, name: string): Promise<void>;
  /** Its pictures go with it. */
  removeClass(id: string): Promise<void>;
  /** Pictures of a class, or pictures to try. Answers once they are kept; they are encoded after that. */
  addPictures(to: Place, files: readonly File[]): Promise<Added>;
  removePicture(id: string): Promise<void>;
  /** Replaces the classes by a drawn set that comes with the page. */
  loadSample(name: string): Promise<void>;
  /** Forgets everything that is kept in this browser, models excepted. */
  clear(): Promise<void>;
  /** A picture for the screen, 128 pixels on its longer side at most. */
  thumbnail(id: string): Promise<Blob>;

  /** Takes effect with the next training. */
  set(settings: Partial<Settings>): Promise<void>;
  /** From the beginning: a new context. Answers when the training has begun. */
  train(): Promise<void>;
  /** After the epoch that is under way, which is kept. */
  pause(): Promise<void>;
  /** Goes on after a pause, a stop, a reload or a lost device, from the last epoch that was kept. */
  resume(): Promise<void>;
  /** Ends the training; the epochs so far stay. */
  stop(): Promise<void>;

  /** Probabilities by one of the classifiers; `epoch` (of "prompt") is the last one where not given. */
  answers(of: "held-out" | "shots" | "tries", by: ClassifierName, epoch?: number): Promise<Answers>;
  /** The vocabulary's nearest words to each context vector after an epoch, beside those of random vectors. */
  words(epoch?: number): Promise<readonly ContextWords[]>;

  /** A ZIP with the files that `coop train` writes, of the prompt after the last epoch. */
  exportRun(): Promise<Blob>;
  /** Takes over a prompt from such a ZIP, or from its two adapter files; its classes replace the names here. */
  importRun(files: readonly File[]): Promise<void>;
}

/** A class's id, or the pictures to try. */
export type Place = string | "tries";

export interface Added {
  readonly added: number;
  /** One line for each file that was left out, with its name and why. */
  readonly refused: readonly string[];
}

export type ClassifierName = "zero-shot" | "probe" | "prompt";

export interface State {
  /** The GPU in words, once it is known. */
  readonly adapter?: string;
  readonly model: ModelState;
  /** Drawn sets that come with the page. */
  readonly samples: readonly { readonly name: string; readonly title: string }[];
  readonly classes: readonly ClassState[];
  readonly tries: readonly PictureState[];
  readonly settings: Settings;
  readonly training: TrainingState;
  /** Over the held-out pictures; absent while there are none or not all are encoded. */
  readonly scores: { readonly [by in ClassifierName]?: Score };
  /** What stands in the way of everything else. */
  readonly problem?: Problem;
}

export interface ModelState {
  readonly status: "none" | "loading" | "ready" | "failed";
  readonly source: string;
  /** Bytes, where they are known. */
  readonly loaded?: number;
  readonly total?: number;
  /** Why it failed, and what to do. With "ready": another was asked for and failed, and this one stayed. */
  readonly error?: string;
}

export interface ClassState {
  readonly id: string;
  readonly name: string;
  readonly pictures: readonly PictureState[];
}

export interface PictureState {
  readonly id: string;
  /** The file's. */
  readonly name: string;
  readonly status: "waiting" | "encoded" | "unreadable";
  /** Why it is unreadable. */
  readonly reason?: string;
  /** Whether it is kept out of the training, to measure with. */
  readonly heldOut: boolean;
}

/** CoOp's published recipe where not changed (paper §4.1). */
export interface Settings {
  /** Pictures a class to learn from, at most; of three or more at least one is held out. */
  readonly shots: number;
  /** M */
  readonly contextTokens: number;
  readonly classSpecific: boolean;
  readonly position: "end" | "middle" | "front";
  /** Words to begin with; random numbers where empty. */
  readonly init: string;
  readonly epochs: number;
  readonly learningRate: number;
  readonly seed: number;
  /** The prompt that zero-shot uses, with {} for the class name. */
  readonly template: string;
}

export interface TrainingState {
  readonly status: "idle" | "running" | "paused" | "stopped" | "finished" | "failed";
  /** One for each epoch, in order; of an imported prompt one, with NaN for what is not known. */
  readonly epochs: readonly EpochState[];
  /** Epochs to do. */
  readonly of: number;
  /** Why it failed or cannot begin. */
  readonly error?: string;
  /** Whether something that the prompt was trained with has been changed since. */
  readonly outdated: boolean;
}

export interface EpochState {
  /** Counted from 1. */
  readonly epoch: number;
  /** Mean over the epoch's batches. */
  readonly loss: number;
  readonly learningRate: number;
  /** Fraction of the shots. */
  readonly accuracy: number;
  /** Fraction of the held-out pictures, where there are some. */
  readonly heldOutAccuracy?: number;
  /** Of training so far. */
  readonly seconds: number;
}

export interface Score {
  readonly correct: number;
  readonly count: number;
}

/** The name of the error of a call that failed since there is a `Problem`, whose message it has. */
export const PROBLEM_ERROR = "ProblemError";

/** What stands in the way of all that could be asked for. */
export interface Problem {
  readonly kind: "no-webgpu" | "device-lost" | "storage" | "crashed";
  /** What happened and what to do, in a sentence or two. */
  readonly message: string;
}

/** Probabilities [N, K] of N pictures, row-major, in the order of the state's classes. */
export interface Answers {
  readonly pictures: readonly string[];
  /** Index of each picture's class; −1 of pictures to try. */
  readonly labels: Int32Array;
  readonly probabilities: Float32Array;
}

/** Distances are Euclidean, as in the paper's table 4; smaller is nearer. */
export interface ContextWords {
  /** Of the class, where contexts are class-specific. */
  readonly className?: string;
  /** Counted from 1. */
  readonly vector: number;
  readonly nearest: readonly { readonly word: string; readonly distance: number }[];
  /** Distance from a random vector of the same norm to the word nearest to it: what means nothing. */
  readonly random: number;
}
