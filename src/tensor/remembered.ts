import { inBrowser } from "./runtime.ts";

/** A JSON object that was remembered under this name in the user's cache, in a browser in localStorage; else an empty one. */
export async function readRemembered(name: string): Promise<object> {
  try {
    const text = inBrowser()
      ? globalThis.localStorage?.getItem(`coop ${name}`)
      : await (await import("./runtime-node.ts")).readCached(`${name}.json`);
    const found: unknown = JSON.parse(text ?? "{}");
    return typeof found === "object" && found !== null ? found : {};
  } catch {
    return {}; // no permission, or somebody else wrote over it
  }
}

/** Remembers an object, here and where the next process finds it. */
export async function writeRemembered(name: string, value: object): Promise<void> {
  const text = JSON.stringify(value, null, 2);
  if (inBrowser()) globalThis.localStorage?.setItem(`coop ${name}`, text);
  else await (await import("./runtime-node.ts")).writeCached(`${name}.json`, text);
}
