import type { Examples } from "../coop/fit.ts";
import type { Folder, Item } from "../coop/folder.ts";
import { type FittedProbe, fitLinearProbe } from "../coop/linear-probe.ts";
import type { ValidationSource } from "../coop/probe-files.ts";
import { type CSearch, searchProbe } from "../coop/probe-search.ts";

/** What scikit-learn takes where nothing is said. */
export const DEFAULT_C = 1;
/** Parts that the shots are divided into where C has to be chosen by them alone. */
const FOLDS = 4;

/** Where the pictures come from that a setting is chosen by: train has some only where every class has one left. */
export function validationFrom(folder: Folder, train: readonly Item[], val: readonly Item[]): ValidationSource {
  if (folder.val.length > 0) return "val";
  if (new Set(val.map(({ label }) => label)).size === folder.classNames.length) return "train";
  return foldsOf(train) > 1 ? "folds" : "none";
}

/** At most as many as a class has shots. */
function foldsOf(train: readonly Item[]): number {
  const counts = new Map<number, number>();
  for (const { label } of train) counts.set(label, (counts.get(label) ?? 0) + 1);
  return Math.min(FOLDS, Math.max(...counts.values()));
}

/** Fits a probe with the C that was given, or that is best on the pictures that there are to choose it by. */
export async function fitChosenProbe(
  {
    from,
    picked,
  }: { readonly from: ValidationSource; readonly picked: Readonly<Record<"train" | "val", readonly Item[]>> },
  examples: { readonly train: Examples; readonly val: Examples },
  { classes, C = DEFAULT_C }: { readonly classes: number; readonly C?: number },
  onTrial: () => void,
): Promise<{ probe: FittedProbe; search: CSearch | null }> {
  if (from === "none") return { probe: await fitLinearProbe(examples.train, { classes, C }), search: null };
  const validation = from === "folds" ? foldsOf(picked.train) : examples.val;
  return searchProbe(examples.train, validation, { classes }, onTrial);
}

/** What a person should know of how C was chosen. */
export function choiceNotes(sources: readonly ValidationSource[], given: number | undefined): string[] {
  const notes: string[] = [];
  if (sources.includes("folds"))
    notes.push(
      "Not every class has a picture left to choose C by, so the shots are predicted in turns, by one another.",
    );
  if (sources.includes("none") && given === undefined)
    notes.push(
      `Not every class has a picture left to choose C by, and there is no second shot: C is ${DEFAULT_C}. Give another with --c.`,
    );
  return notes;
}
