import { join } from "node:path";
import type { Clip } from "../clip/index.ts";
import type { UsedPictures } from "../coop/duplicates.ts";
import type { Examples } from "../coop/fit.ts";
import type { Item } from "../coop/folder.ts";
import { listNames } from "../coop/near.ts";
import { quoted } from "../coop/walk.ts";
import { InputError } from "../tensor/errors.ts";
import { encodePictures } from "./features.ts";
import { say } from "./print.ts";

/** Pictures that could be read, and their features, in the same order. */
export interface EncodedItems extends UsedPictures {
  readonly examples: Examples;
  /** which pictures could not be read and why, one sentence for all */
  readonly notes: readonly string[];
}

/**
 * Features of labelled pictures below `root`. Files that cannot be read are left out; it says on stderr which.
 *
 * @param name what the pictures are, for the progress and for messages: "held-out"
 * @throws InputError where there are pictures and none can be read
 */
export async function encodeItems(
  clip: Clip,
  root: string,
  items: readonly Item[],
  name: string,
): Promise<EncodedItems> {
  const pathOf = ({ path }: Item) => join(root, path);
  const refused = new Map<string, string>();
  const hashOf = new Map<string, string>();
  const features = await encodePictures(clip, items.map(pathOf), name, {
    refused: (path, { message }) => refused.set(path, message),
    read: (path, sha256) => hashOf.set(path, sha256),
  });
  const there = items.filter((item) => !refused.has(pathOf(item)));
  const why = listNames([...refused.values()]);
  if (items.length > 0 && there.length === 0) throw new InputError(`None of the ${name} can be read: ${why}`);
  const left = new Set(there.map(({ className }) => className));
  const lost = new Set(items.map(({ className }) => className).filter((className) => !left.has(className)));
  const none = lost.size > 0 ? ` None is left of ${quoted([...lost])}.` : "";
  const files = refused.size === 1 ? "1 file" : `${refused.size} files`;
  const notes = refused.size > 0 ? [`${files} of the ${name} left out: ${why}${none}`] : [];
  for (const note of notes) say(note);
  return {
    name,
    items: there,
    hashes: new Map(there.map((item) => [item.path, hashOf.get(pathOf(item))!])),
    examples: { features, labels: Int32Array.from(there, ({ label }) => label) },
    notes,
  };
}
