import { basename, dirname, join, resolve } from "node:path";
import { writeFileAtomic } from "../coop/atomic.ts";
import { experimentReport } from "../coop/experiments/index.ts";
import type { Command } from "./command.ts";
import { resultsOf } from "./compare.ts";
import { print, printJson } from "./print.ts";

export const reportCommand: Command = {
  summary: "Makes a page of figures and tables from the results of `coop bench`.",
  usage: "RESULTS.jsonl [flags]",
  flags: {
    out: { value: "FILE", help: "the page (default: report.html beside the results)" },
    title: { value: "TEXT", help: "of the page (default: the name of the folder)" },
  },
  async run(input) {
    const file = input.only("RESULTS.jsonl");
    const results = await resultsOf(file);
    const out = input.text("out") ?? join(dirname(file), "report.html");
    const title = input.text("title") ?? basename(dirname(resolve(file)));
    await writeFileAtomic(out, await experimentReport(results, { title, source: basename(file) }));
    if (input.has("json")) printJson({ out, runs: results.length });
    else print(`report: ${out}`);
    return 0;
  },
};
