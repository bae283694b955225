import { readRemembered, writeRemembered } from "./remembered.ts";
import { environment } from "./runtime.ts";

const NAME = "refused";

/** Kernels that gave wrong numbers, by adapter. */
let refused: Readonly<Record<string, readonly string[]>> = {};

/** The kernels that are not to be used on an adapter: those that `coop doctor` found wrong, and those of COOP_REFUSE=a,b. */
export function refusedOn(adapter: string): ReadonlySet<string> {
  const asked = (environment("COOP_REFUSE") ?? "").split(",").map((name) => name.trim());
  return new Set([...(refused[adapter] ?? []), ...asked.filter(Boolean)]);
}

/** Refuses these kernels on an adapter from now on and in later processes, and no others. */
export async function refuse(adapter: string, kernels: readonly string[]): Promise<void> {
  const { [adapter]: _, ...others } = { ...listsOf(await readRemembered(NAME)), ...refused };
  const before = refused[adapter] ?? [];
  refused = kernels.length > 0 ? { ...others, [adapter]: kernels } : others;
  if (kernels.length > 0 || before.length > 0) await writeRemembered(NAME, refused);
}

/** Brings back what was refused before. */
export async function recallRefused(): Promise<void> {
  refused = { ...listsOf(await readRemembered(NAME)), ...refused };
}

const listsOf = (found: object): Record<string, readonly string[]> =>
  Object.fromEntries(
    Object.entries(found).flatMap(([adapter, names]) =>
      Array.isArray(names) ? [[adapter, names.filter((name) => typeof name === "string")]] : [],
    ),
  );
