import { oneLine } from "../../clip/bytes.ts";
import { FormatError } from "../../tensor/errors.ts";
import type { Item } from "../folder.ts";
import { JsonFields } from "../json-fields.ts";
import type { Splits } from "./dataset.ts";

/**
 * Reads CoOp's `split_zhou_<Name>.json`: `{"train": [[path, label, class name], …], "val": …, "test": …}`. The order is
 * kept, since shots are drawn by it; class names get spaces for underscores.
 *
 * @throws FormatError that names the entry, also where a path leads out of the picture folder
 */
export function parseSplitFile(text: string, file: string): Splits {
  const fields = JsonFields.parse(file, text.replace(/^\ufeff/, ""));
  const items = (split: string): Item[] =>
    fields.list(split).map((entry, i) => {
      const [path, label, name] = Array.isArray(entry) && entry.length === 3 ? (entry as unknown[]) : [];
      const whole = typeof label === "number" && Number.isSafeInteger(label) && label >= 0;
      if (typeof path !== "string" || !whole || typeof name !== "string" || name.trim() === "")
        throw fields.wrong(`${split}[${i}]`, "must be [path, label, class name]");
      const inside = pathInside(path);
      if (inside === undefined)
        throw fields.wrong(`${split}[${i}]`, `is ${JSON.stringify(oneLine(path))}, which leads out of the folder`);
      return { path: inside, label: label as number, className: spacedName(name) };
    });
  return { train: items("train"), val: fields.has("val") ? items("val") : [], test: items("test") };
}

/** A relative path with "/" between its names; undefined where it is absolute, empty or goes up. */
export function pathInside(path: string): string | undefined {
  const names = path.replaceAll("\\", "/").split("/");
  if (names[0] === "" || /^[a-z]:$/i.test(names[0]) || names.includes("..") || path.includes("\0")) return undefined;
  const way = names.filter((name) => name !== "" && name !== ".");
  return way.length > 0 ? way.join("/") : undefined;
}

/** A class name as prompts have it. */
export const spacedName = (name: string): string => name.replaceAll("_", " ").trim();

/**
 * The name of each label, from 0 on. Two labels may have the same name, as in ImageNet.
 *
 * @throws FormatError where a label has two names, or none, or no picture in train although there is a train split
 */
export function classNamesOf({ train, val, test }: Splits, file: string): string[] {
  const names = new Map<number, string>();
  for (const { path, label, className } of [...train, ...val, ...test]) {
    const known = names.get(label) ?? className;
    if (known !== className)
      throw new FormatError(
        `${file}: label ${label} is "${oneLine(known)}", but of ${oneLine(path)} "${oneLine(className)}". Fetch the file again.`,
      );
    names.set(label, className);
  }
  const learned = train.length > 0 ? new Set(train.map(({ label }) => label)) : new Set(names.keys());
  const count = Math.max(-1, ...names.keys()) + 1;
  if (count > names.size) {
    let gap = 0;
    while (names.has(gap)) gap++;
    throw new FormatError(`${file}: there are labels up to ${count - 1}, but no picture with label ${gap}.`);
  }
  const unlearned = [...names.keys()].find((label) => !learned.has(label));
  if (unlearned !== undefined)
    throw new FormatError(
      `${file}: "${oneLine(names.get(unlearned)!)}" (label ${unlearned}) has no picture in train, only in val or test.`,
    );
  return Array.from({ length: count }, (_, label) => names.get(label)!);
}
