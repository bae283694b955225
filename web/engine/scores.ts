import { largestOfRows } from "../../src/coop/score.ts";
import type { ClassifierName, Score, State } from "../protocol.ts";
import { debounced } from "./publisher.ts";

/** Milliseconds without a change after which scores are computed. */
const CALM = 150;

/** What is asked, and whom; undefined where that cannot be now. */
export interface Exam {
  readonly labels: Int32Array;
  /** Features [N, E]. */
  readonly images: Float32Array;
  readonly classes: number;
}

export interface ScoresParts {
  /** The held-out pictures; undefined where there are none or not all are encoded. */
  exam(): Exam | undefined;
  /** What is computed anyway, so that the first answer comes quickly. */
  prepare(): Promise<unknown>;
  /** Undefined where there is no such classifier now. */
  probabilities(by: ClassifierName, exam: Exam): Promise<Float32Array | undefined>;
  changed(): void;
  failed(error: unknown): void;
}

/** The scores over the held-out pictures, computed anew a little after the last change. */
export class Scores {
  readonly #parts: ScoresParts;
  readonly #soon: () => void;
  #round = 0;
  #values: State["scores"] = {};

  constructor(parts: ScoresParts) {
    this.#parts = parts;
    this.#soon = debounced(() => void this.#compute(), CALM);
  }

  get values(): State["scores"] {
    return this.#values;
  }

  /** What was computed does not hold any more. */
  outdate(): void {
    this.#values = {};
    this.refresh();
  }

  /** There may be more to compute. */
  refresh(): void {
    this.#round++;
    this.#soon();
  }

  /** One that was measured elsewhere, or is not known any more. */
  set(by: ClassifierName, score: Score | undefined): void {
    const { [by]: _, ...others } = this.#values;
    this.#values = score ? { ...others, [by]: score } : others;
  }

  async #compute(): Promise<void> {
    const round = ++this.#round;
    try {
      await this.#parts.prepare();
      const exam = this.#parts.exam();
      if (!exam) return;
      for (const by of ["zero-shot", "prompt", "probe"] as const) {
        if (round !== this.#round) return;
        const probabilities = await this.#parts.probabilities(by, exam);
        if (!probabilities || round !== this.#round) continue;
        const answers = largestOfRows(probabilities, exam.classes);
        const correct = answers.reduce((right, answer, i) => right + (answer === exam.labels[i] ? 1 : 0), 0);
        this.set(by, { correct, count: exam.labels.length });
        this.#parts.changed();
      }
    } catch (error) {
      if (round === this.#round) this.#parts.failed(error);
    }
  }
}
