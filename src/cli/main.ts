#!/usr/bin/env node
import { main } from "./cli.ts";
import { say } from "./print.ts";

let unwritten = false;
// a reader that has had enough (`coop … | head`) or a terminal that was closed is no reason to end a training
process.stderr.on("error", () => {});
process.stdout.on("error", ({ code, message }: NodeJS.ErrnoException) => {
  if (code === "EPIPE" || unwritten) return;
  unwritten = true;
  process.exitCode = 1;
  say(`coop: the answer could not be written: ${message}`);
});

const code = await main(process.argv.slice(2));
process.exitCode = unwritten ? 1 : code;
