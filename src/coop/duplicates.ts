import { oneLine } from "../clip/bytes.ts";
import type { Item } from "./folder.ts";

/** Pictures that are used for one thing, which `name` says: "shots", "held-out pictures". */
export interface UsedPictures {
  readonly name: string;
  readonly items: readonly Item[];
  /** SHA-256 of the files' bytes, by the items' paths; one that is not known equals no other */
  readonly hashes: ReadonlyMap<string, string>;
}

/**
 * What a person should know where the same file, byte for byte, is used for two things: that a picture is known by heart
 * says nothing of new ones. A sentence for each list that has files of one before it.
 *
 * @example
 * duplicateNotes([shots, heldOut]); // ["2 of the 40 held-out pictures are among the shots too, byte for byte (…)."]
 */
export const duplicateNotes = (used: readonly UsedPictures[]): string[] =>
  used.flatMap((asked, i) => used.slice(0, i).flatMap((seen) => sharedNotes(seen, asked)));

function sharedNotes(seen: UsedPictures, asked: UsedPictures): string[] {
  const known = new Map(seen.items.map((item) => [seen.hashes.get(item.path), item]));
  known.delete(undefined);
  const pairs = asked.items.flatMap((item) => {
    const twin = known.get(asked.hashes.get(item.path));
    return twin ? [{ item, twin }] : [];
  });
  if (pairs.length === 0) return [];
  const [{ item, twin }] = pairs;
  const first = item.path === twin.path ? oneLine(item.path) : `${oneLine(item.path)} is ${oneLine(twin.path)}`;
  const others = pairs.filter((pair) => pair.item.label !== pair.twin.label).length;
  const classes = others > 0 ? `, ${others} of them as another class` : "";
  const are = pairs.length === 1 ? "is" : "are";
  return [
    `${pairs.length} of the ${asked.items.length} ${asked.name} ${are} among the ${seen.name} too, byte for byte${classes} (first: ${first}).`,
  ];
}
