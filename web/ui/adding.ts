import { computed, signal } from "@preact/signals";
import type { Place } from "../protocol.ts";
import type { Intake } from "./intake.ts";
import { ask, now } from "./session.ts";

const AT_ONCE = 32;
const LISTED = 200;

/** Files handed to the worker so far, of those to hand over; undefined when all are there. */
export const adding = signal<{ readonly done: number; readonly of: number } | undefined>(undefined);
/** Files that were left out lately, by place, each a line with the reason. */
export const refused = signal<ReadonlyMap<Place, readonly string[]>>(new Map());
/** Pictures that wait to be encoded. */
export const waiting = computed(() => {
  const all = [...now.classes.value.map((one) => one.pictures), now.tries.value];
  return all.reduce((sum, pictures) => sum + pictures.filter(({ status }) => status === "waiting").length, 0);
});

/** Adds files to a class, or to the pictures to try, some at a time. */
export async function addFiles(to: Place, files: readonly File[]): Promise<void> {
  forgetRefused(to);
  count(0, files.length);
  for (let i = 0; i < files.length; i += AT_ONCE) {
    const some = files.slice(i, i + AT_ONCE);
    try {
      const { refused: lines } = await ask((engine) => engine.addPictures(to, some));
      if (lines.length) refuse(to, lines);
    } catch (error) {
      count(files.length - i, 0);
      throw error;
    }
    count(some.length, 0);
  }
}

/** A class for each folder; loose files are refused, since nobody said what they show. */
export async function addFolders({ folders, loose }: Intake): Promise<void> {
  if (folders.size === 0) {
    throw new Error(
      loose.length
        ? "Put the pictures into one folder for each class, and add the folder around them; or drop them onto a class."
        : "There are no pictures in this folder.",
    );
  }
  for (const [name, files] of folders) {
    const known = now.classes.peek().find((one) => one.name === name)?.id;
    await addFiles(known ?? (await ask((engine) => engine.addClass(name))), files);
  }
}

export function forgetRefused(at: Place): void {
  if (refused.peek().has(at)) refused.value = new Map([...refused.peek()].filter(([place]) => place !== at));
}

function refuse(at: Place, lines: readonly string[]): void {
  const all = [...(refused.peek().get(at) ?? []), ...lines].slice(0, LISTED);
  refused.value = new Map(refused.peek()).set(at, all);
}

function count(done: number, of: number): void {
  const before = adding.peek() ?? { done: 0, of: 0 };
  const now = { done: before.done + done, of: before.of + of };
  adding.value = now.done < now.of ? now : undefined;
}
