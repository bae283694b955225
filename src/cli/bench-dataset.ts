import { createHash } from "node:crypto";
import type { Clip } from "../clip/index.ts";
import { openData } from "../coop/datasets/open.ts";
import type { Dataset, DatasetSpec, Part } from "../coop/experiments/index.ts";
import { sameName } from "../coop/folder.ts";
import { readLabelled } from "../coop/labelled.ts";
import { listNames } from "../coop/near.ts";
import { InputError } from "../tensor/errors.ts";
import { encodePictures, pathsOf, unknownNames } from "./model.ts";
import { say } from "./print.ts";

/** Decides which half of a folder without splits is held out: the same for all runs. */
const SPLIT_SEED = 1;

/** A folder of pictures for experiments. A shift is a folder of the same classes, or of some of them. */
export async function folderDataset({ name, source, shifts }: DatasetSpec, clip: Clip): Promise<Dataset> {
  const folder = await openData(source, { seed: SPLIT_SEED });
  const { root, classNames } = folder;
  for (const note of [...folder.notes, ...unknownNames(clip, classNames)]) say(`${name}: ${note}`);
  const listed: unknown[] = [classNames];
  const part = (
    label: string,
    from: string,
    items: readonly { readonly path: string; readonly label: number }[],
  ): Part => {
    listed.push(items.map((item) => [item.path, item.label]));
    return {
      labels: Int32Array.from(items, (item) => item.label),
      encode: (rows) =>
        encodePictures(
          clip,
          pathsOf(
            from,
            rows.map((row) => items[row]),
          ),
          label,
        ),
    };
  };
  const [train, val, test] = (["train", "val", "test"] as const).map((split) =>
    part(`${name}, ${split}`, root, folder[split]),
  );
  const others: Record<string, Part> = {};
  for (const shift of shifts) {
    const labelled = await readLabelled(shift.source);
    const labels = labelled.classNames.map((className) =>
      classNames.findIndex((known) => sameName(known) === sameName(className)),
    );
    const strangers = labelled.classNames.filter((_, i) => labels[i] < 0);
    if (strangers.length > 0)
      throw new InputError(`${shift.source}: ${source} has no class ${listNames(strangers)}. Name the folders alike.`);
    const items = labelled.items.map(({ path, label }) => ({ path, label: labels[label] }));
    others[shift.name] = part(`${name}, ${shift.name}`, labelled.root, items);
  }
  const fingerprint = createHash("sha256").update(JSON.stringify(listed)).digest("hex").slice(0, 16);
  return { classNames, train, val, test, shifts: others, fingerprint };
}
