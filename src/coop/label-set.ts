import { InputError } from "../tensor/errors.ts";
import { sameName } from "./folder.ts";
import { listNames, nearest } from "./near.ts";

/** Labels that pictures are asked about, each in a category. */
export interface LabelSet {
  readonly labels: readonly string[];
  /** of each label; the label itself where none was given */
  readonly categories: readonly string[];
}

/**
 * Labels as they are written: `a, b, c`, or by category, `crime: thief, criminal; people: man, woman`. A new line does
 * what the semicolon does.
 *
 * @throws InputError where there are none, or one is in two categories
 */
export function parseLabelSet(text: string): LabelSet {
  const labels: string[] = [];
  const categories: string[] = [];
  for (const entry of text.split(/[;\n]/)) {
    const colon = entry.indexOf(":");
    const category = entry.slice(0, Math.max(0, colon)).trim();
    if (colon >= 0 && category === "") throw new InputError(`"${entry.trim()}" has no name before the colon`);
    const named = split(entry.slice(colon + 1));
    if (colon >= 0 && named.length === 0) throw new InputError(`the category "${category}" has no labels`);
    for (const label of named) {
      labels.push(label);
      categories.push(category || label);
    }
  }
  if (labels.length === 0) throw new InputError("no labels are named; write for example cat, dog");
  return joined({ labels: [], categories: [] }, { labels, categories });
}

/** Both sets' labels; one that is in both counts once. InputError where its categories differ. */
export function joined(set: LabelSet, more: LabelSet): LabelSet {
  const [labels, categories] = [[...set.labels], [...set.categories]];
  const categoryOf = new Map(labels.map((label, i) => [spoken(label), categories[i]]));
  const named = new Map(categories.map((category) => [spoken(category), category] as const).reverse());
  more.labels.forEach((label, i) => {
    const known = categoryOf.get(spoken(label));
    const wanted = spoken(more.categories[i]);
    if (known !== undefined && spoken(known) !== wanted)
      throw new InputError(`the label "${label}" is in two categories, ${known} and ${more.categories[i]}`);
    if (known !== undefined) return;
    const category = named.get(wanted) ?? more.categories[i];
    named.set(wanted, category);
    categoryOf.set(spoken(label), category);
    labels.push(label);
    categories.push(category);
  });
  return { labels, categories };
}

/** The set without some labels; InputError where one is not in it. */
export function without(set: LabelSet, names: readonly string[]): LabelSet {
  for (const name of names)
    if (!set.labels.some((label) => spoken(label) === spoken(name))) {
      const meant = nearest(name, set.labels);
      throw new InputError(
        `"${name}" cannot be removed: it is not among the labels (${listNames(set.labels)})${meant ? `; did you mean "${meant}"?` : ""}`,
      );
    }
  const kept = set.labels.map((label) => !names.some((name) => spoken(name) === spoken(label)));
  return { labels: set.labels.filter((_, i) => kept[i]), categories: set.categories.filter((_, i) => kept[i]) };
}

/** Names at commas, without empty ones. */
export const split = (text: string): string[] =>
  text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");

/** Labels that are named for the first time, and those that mean one before them. */
export function distinct(labels: readonly string[]): { labels: string[]; again: string[] } {
  const first = new Map(labels.map((label, i) => [spoken(label), i] as const).reverse());
  const isFirst = (label: string, i: number) => first.get(spoken(label)) === i;
  return { labels: labels.filter(isFirst), again: labels.filter((label, i) => !isFirst(label, i)) };
}

/** Two labels with the same result give the same prompt. */
export const spoken = (label: string): string => sameName(label.replaceAll("_", " "));
