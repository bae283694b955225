/**
 * When a process began, in the system's own count of ticks, which no change of the clock touches: it tells a process from a
 * later one of the same number. "" where the system does not say, undefined where the process has ended.
 */
export async function startOf(pid: number): Promise<string | undefined> {
  try {
    process.kill(pid, 0); // signal 0 only asks
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return undefined;
  }
  const { readFile } = await import("node:fs/promises");
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const [state, ...fields] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return state === "Z" || state === "X" ? undefined : (fields[18] ?? ""); // ended, and not yet asked about by its parent
}

/** Whether there is a process of this number which, where that is known, began then. */
export async function isAlive(pid: number, began = ""): Promise<boolean> {
  const start = await startOf(pid);
  return start !== undefined && (start === "" || began === "" || start === began);
}
