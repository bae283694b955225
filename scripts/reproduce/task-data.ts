// The tasks of the drawn world as features: pictures are drawn and encoded once, and kept in a folder.
import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Clip, imageFeatures } from "../../src/clip/index.ts";
import { writeFileAtomic } from "../../src/coop/atomic.ts";
import { type Examples, MersenneTwister, shotsAndValidation } from "../../src/coop/index.ts";
import { PICTURE_SIZE, type ShiftName, TASKS, taskPictures } from "../../src/world/index.ts";

/** Of the pictures; shots are drawn from the train pool by seeds of their own. */
const PICTURE_SEED = 1;

export type TaskData = {
  readonly classNames: readonly string[];
  /** Features and labels of the train pool, class by class. */
  pool(): Promise<Examples>;
  test(shift?: ShiftName): Promise<Examples>;
};

/**
 * A task's train pool and test sets, with `perClass` pictures a class in each. The same for ever: every picture is a
 * function of task, split, class and number.
 *
 * @param folder where features are kept from one process to the next
 */
export function taskData(clip: Clip, taskName: string, perClass: number, folder: string): TaskData {
  const known = new Map<string, Promise<Examples>>();
  const part = (split: "train" | "test", shift?: ShiftName): Promise<Examples> => {
    const name = `${taskName}-${split}${shift ? `-${shift}` : ""}`;
    const made =
      known.get(name) ?? encoded(clip, taskName, { perClass, seed: PICTURE_SEED, split, shift }, folder, name);
    known.set(name, made);
    return made;
  };
  return { classNames: TASKS[taskName].classNames, pool: () => part("train"), test: (shift) => part("test", shift) };
}

async function encoded(
  clip: Clip,
  taskName: string,
  options: Parameters<typeof taskPictures>[1],
  folder: string,
  name: string,
): Promise<Examples> {
  const { pixels, labels } = taskPictures(taskName, options);
  const hash = createHash("sha256").update(clip.sha256);
  for (const picture of pixels) hash.update(picture);
  const file = join(folder, `${name}-${hash.digest("hex").slice(0, 16)}.f32`);
  const kept = await readFile(file).catch(() => undefined);
  if (kept?.byteLength === 4 * labels.length * clip.config.embedDim)
    return { features: new Float32Array(Uint8Array.from(kept).buffer), labels: Int32Array.from(labels) };
  const features = await imageFeatures(
    clip,
    pixels.map((data) => clip.preprocess({ width: PICTURE_SIZE, height: PICTURE_SIZE, data })),
  );
  await mkdir(folder, { recursive: true });
  await writeFileAtomic(file, new Uint8Array(features.buffer, features.byteOffset, features.byteLength));
  return { features, labels: Int32Array.from(labels) };
}

/** What a seed learns from, and pictures that are not among it to choose settings by. */
export type Draw = { readonly train: Examples; readonly validation: Examples };

/**
 * The shots of a seed, with min(shots, 4) other pictures of each class. They are drawn from all classes and those of the
 * first `classes` are kept, as CoCoOp's code does it.
 *
 * @param noise the share of the shots whose label is replaced by another class
 */
export function draw(pool: Examples, shots: number, seed: number, classes: number, noise = 0): Draw {
  const items = Array.from(pool.labels, (label, row) => ({ label, row }));
  const drawn = shotsAndValidation({ train: items, val: [] }, shots, Math.min(shots, 4), seed);
  const of = (kept: typeof items): Examples => {
    const among = kept.filter(({ label }) => label < classes);
    return {
      features: rowsOf(
        pool,
        among.map(({ row }) => row),
      ),
      labels: Int32Array.from(among, ({ label }) => label),
    };
  };
  const train = of(drawn.train);
  return { train: { ...train, labels: mislabelled(train.labels, classes, noise, seed) }, validation: of(drawn.val) };
}

/** The pictures of the classes from `from` to before `to`; labels count from 0. */
export function classesBetween({ features, labels }: Examples, from: number, to: number): Examples {
  const rows = Array.from(labels.keys()).filter((row) => labels[row] >= from && labels[row] < to);
  return { features: rowsOf({ features, labels }, rows), labels: Int32Array.from(rows, (row) => labels[row] - from) };
}

function rowsOf({ features, labels }: Examples, rows: readonly number[]): Float32Array {
  const width = features.length / labels.length;
  const picked = new Float32Array(rows.length * width);
  rows.forEach((row, i) => {
    picked.set(features.subarray(row * width, (row + 1) * width), i * width);
  });
  return picked;
}

const NOISE_STREAM = 1;

function mislabelled(labels: Int32Array, classes: number, share: number, seed: number): Int32Array {
  const random = new MersenneTwister([seed, NOISE_STREAM]);
  const wrong = labels.slice();
  for (const row of random.sample([...labels.keys()], Math.round(share * labels.length)))
    wrong[row] = (labels[row] + 1 + random.randbelow(classes - 1)) % classes;
  return wrong;
}
