import { mulberry } from "../../test/arguments.ts";

/** One fault planted in one file: `text.slice(start, end)` becomes `after`. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly after: string;
  /** The op in whose definition it lies, where there is one. */
  readonly op?: string;
  /** It lies in WGSL, which may not compile any more: then it is no program, and no fault. */
  readonly wgsl?: boolean;
}

/** An edit of a file of the project. */
export interface Mutant extends Edit {
  /** Says it all, and stays the same while the file does: "path:line:column before → after". */
  readonly id: string;
  readonly file: string;
  /** Its line, with "«before → after»" where the edit is. */
  readonly line: string;
}

/** Names the edits of one file; edits that change nothing or repeat another are left out. */
export function mutantsOf(file: string, text: string, edits: readonly Edit[]): Mutant[] {
  const all = new Map<string, Mutant>();
  for (const edit of edits) {
    const before = text.slice(edit.start, edit.end);
    if (before === edit.after) continue;
    const lines = text.slice(0, edit.start).split("\n");
    const show = (part: string) => part.replace(/\s+/g, " ");
    const id = `${file}:${lines.length}:${lines.at(-1)!.length + 1} ${show(before)} → ${show(edit.after) || "nothing"}`;
    const rest = text.slice(edit.end).split("\n", 1)[0];
    all.set(id, { ...edit, id, file, line: `${lines.at(-1)}«${show(before)} → ${show(edit.after)}»${rest}` });
  }
  return [...all.values()];
}

export const mutated = (text: string, { start, end, after }: Edit): string =>
  text.slice(0, start) + after + text.slice(end);

/** About `count` mutants in random order: of each file its share, and at least three. */
export function sampleOf(all: readonly Mutant[], count: number, seed: number): Mutant[] {
  const random = mulberry(seed);
  const shuffled = (list: readonly Mutant[]) =>
    list
      .map((mutant) => ({ mutant, key: random() }))
      .sort((a, b) => a.key - b.key)
      .map(({ mutant }) => mutant);
  const files = [...new Set(all.map(({ file }) => file))];
  const chosen = files.flatMap((file) => {
    const own = shuffled(all.filter((mutant) => mutant.file === file));
    return own.slice(0, Math.max(3, Math.round((count * own.length) / all.length)));
  });
  return shuffled(chosen);
}
