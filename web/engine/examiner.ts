import { InputError } from "../../src/tensor/errors.ts";
import type { Desk } from "./desk.ts";
import { classifier } from "./questions.ts";
import type { ScoresParts } from "./scores.ts";

/** Examines the classifiers by the held-out pictures that lie on the desk. */
export const examiner = (desk: Desk): Pick<ScoresParts, "prepare" | "exam" | "probabilities"> => ({
  prepare: async () => {
    if (desk.loader.model && desk.collection.classes.length > 0) await classifier(desk, "zero-shot");
  },
  exam: () => {
    const { heldOut } = desk.parts;
    const images = desk.loader.model && heldOut.length > 0 ? desk.featuresOf(heldOut) : undefined;
    const labels = Int32Array.from(heldOut, ({ label }) => label);
    return images && { images, labels, classes: desk.collection.classes.length };
  },
  probabilities: async (by, { images }) => {
    if (by === "probe" && desk.training.isRunning) return undefined; // it is fitted afterwards
    const one = await classifier(desk, by).catch((error) => {
      if (error instanceof InputError) return undefined;
      throw error;
    });
    return one && desk.classifiers.ask(one, images);
  },
});
