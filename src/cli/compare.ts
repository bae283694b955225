import { compareResults, comparisonMarkdown, parseResults, type Result } from "../coop/experiments/index.ts";
import { readTextFile } from "../coop/text-file.ts";
import { InputError } from "../tensor/errors.ts";
import { type Command, UsageError } from "./command.ts";
import { print, printJson, say } from "./print.ts";

export const compareCommand: Command = {
  summary: "Sets the results of two `coop bench` side by side.",
  usage: "A.jsonl B.jsonl [flags]",
  details: `Prints a table in Markdown: mean ± population standard deviation over the seeds in percent, and B − A over the seeds
that both have.`,
  flags: { all: { help: "also what only one of the files has" } },
  async run(input) {
    if (input.positionals.length !== 2)
      throw new UsageError("two results files are compared: A.jsonl B.jsonl. See `coop compare --help`.");
    const [a, b] = await Promise.all(input.positionals.map(resultsOf));
    const rows = compareResults(a, b);
    const shown = input.has("all") ? rows : rows.filter(({ difference }) => difference !== null);
    if (input.has("json")) {
      printJson({ a: input.positionals[0], b: input.positionals[1], rows: shown });
      return 0;
    }
    if (shown.length > 0) print(comparisonMarkdown(shown, ["A", "B"]));
    else say("The two files have no dataset, method, shots and seed in common; --all shows what each has.");
    if (shown.length > 0 && shown.length < rows.length)
      say(`${rows.length - shown.length} settings are in one of the files only; --all shows them.`);
    return 0;
  },
};

/** The results in a file, at least one. */
export async function resultsOf(file: string): Promise<Result[]> {
  const results = [...parseResults(await readTextFile(file), file).values()];
  if (results.length === 0) throw new InputError(`${file} holds no results. Give a results.jsonl of \`coop bench\`.`);
  return results;
}
