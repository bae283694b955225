import { readFileSync } from "node:fs";

/** coop's own version. */
export const VERSION: string = (
  JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string }
).version;

/** What a result was computed with. */
export const versions = (adapter: string): Record<string, string> => ({
  coop: VERSION,
  ...("Bun" in globalThis || "Deno" in globalThis ? {} : { node: process.versions.node }),
  platform: `${process.platform} ${process.arch}`,
  adapter,
});
