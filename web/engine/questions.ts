import { InputError } from "../../src/tensor/errors.ts";
import type { Answers, ClassifierName, ContextWords } from "../protocol.ts";
import type { Desk } from "./desk.ts";
import { exportedFiles, probeOf } from "./run-export.ts";
import { zipRun } from "./run-zip.ts";
import type { LabelledPicture } from "./training-record.ts";

type Of = Parameters<import("../protocol.ts").Engine["answers"]>[0];

const NAMES: readonly ClassifierName[] = ["zero-shot", "probe", "prompt"];

/** What answers for a name: features of texts, or a probe. InputError where there is none. */
export async function classifier(desk: Desk, by: ClassifierName, epoch = desk.training.last) {
  const { classifiers, collection, settings } = desk;
  const { classNames } = collection;
  if (!NAMES.includes(by)) throw new InputError(`There is no classifier "${by}"; there are ${NAMES.join(", ")}.`);
  if (classNames.length === 0) throw new InputError("Name a class first.");
  if (by === "zero-shot") return classifiers.zeroShot(classNames, settings.template);
  if (by === "prompt") {
    const layout = desk.layout();
    const { name, read } = desk.training.contextOf(epoch);
    return classifiers.prompt(layout, name, read);
  }
  const why = desk.obstacle();
  if (why) throw new InputError(why);
  const record = desk.record();
  const shots = desk.featuresOf(record.shots);
  if (!shots) throw new InputError("The pictures to learn from are still being encoded.");
  return probeOf({ record, classifiers, shots });
}

/** Probabilities for all pictures of a kind that are encoded. */
export async function answers(desk: Desk, of: Of, by: ClassifierName, epoch?: number): Promise<Answers> {
  const asked = askedPictures(desk, of).filter(({ picture }) => desk.model.features.has(picture));
  const images = desk.featuresOf(asked)!;
  const probabilities = await desk.classifiers.ask(await classifier(desk, by, epoch), images);
  return {
    pictures: asked.map(({ picture }) => picture),
    labels: Int32Array.from(asked, ({ label }) => label),
    probabilities,
  };
}

function askedPictures(desk: Desk, of: Of): readonly LabelledPicture[] {
  if (of === "shots") return desk.parts.shots;
  if (of === "held-out") return desk.parts.heldOut;
  if (of !== "tries") throw new InputError(`Ask of "held-out", "shots" or "tries", not of "${of}".`);
  return desk.collection
    .byPlace()
    .get("tries")!
    .map(({ id, name }) => ({ picture: id, name, label: -1 }));
}

/** The words nearest to the context after an epoch. */
export async function words(desk: Desk, epoch = desk.training.last): Promise<readonly ContextWords[]> {
  const layout = desk.layout();
  const { name, read } = desk.training.contextOf(epoch);
  const classNames = desk.training.record!.classes.map((known) => known.name);
  return desk.classifiers.words({ ...layout, classNames }, name, read);
}

/** The files of the training, zipped. */
export async function exportRun(desk: Desk): Promise<Blob> {
  const { training, classifiers } = desk;
  const { record, last, state } = training;
  if (!record || last === 0) throw new InputError("No prompt has been learned yet.");
  if (record.imported)
    throw new InputError("This prompt was imported, not learned here; its files are those you have.");
  if (record.model.sha256 !== desk.model.clip.sha256)
    throw new InputError(`This prompt was learned with ${record.model.name}; choose that model to export it.`);
  const { name, read } = training.contextOf(last);
  const classNames = record.classes.map((known) => known.name);
  const layout = { classNames, shape: record.shape, position: record.settings.position };
  const files = await exportedFiles({
    record,
    epochs: state.epochs,
    context: await read(),
    classifiers,
    prompt: await classifiers.prompt(layout, name, read),
    shots: desk.featuresOf(record.shots) ?? new Float32Array(),
    heldOut: desk.featuresOf(record.heldOut) ?? new Float32Array(),
  });
  return new Blob([zipRun("coop-run", files)], { type: "application/zip" });
}
