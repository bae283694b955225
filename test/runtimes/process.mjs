// The smoke suite in Node, Deno or Bun: prints its verdicts as one line of JSON.
import { readFile } from "node:fs/promises";
import * as coop from "coop";
import * as clip from "coop/clip";
import * as prompt from "coop/prompt";
import { smoke } from "./smoke.js";

const verdicts = await smoke({
  coop,
  clip,
  prompt,
  model: "model",
  readFile: async (name) => new Uint8Array(await readFile(`goldens/${name}`)),
});
console.log(JSON.stringify(verdicts));
