import { nearest } from "../coop/near.ts";
import { CoopError } from "../tensor/errors.ts";
import { benchCommand } from "./bench.ts";
import { type Command, helpOf, Input, UsageError } from "./command.ts";
import { compareCommand } from "./compare.ts";
import { datasets } from "./datasets.ts";
import { doctor } from "./doctor.ts";
import { embed } from "./embed.ts";
import { evaluate } from "./eval.ts";
import { explain } from "./explain.ts";
import { exportCommand } from "./export.ts";
import { useFeatureCache } from "./features.ts";
import { importCommand } from "./import.ts";
import { indexCommand } from "./index-pictures.ts";
import { predict } from "./predict.ts";
import { pretrainCommand } from "./pretrain.ts";
import { print, say } from "./print.ts";
import { probe } from "./probe.ts";
import { profileCommand } from "./profile.ts";
import { prompts } from "./prompts.ts";
import { recall } from "./recall.ts";
import { reportCommand } from "./report.ts";
import { search } from "./search.ts";
import { taxonomy } from "./taxonomy.ts";
import { train } from "./train.ts";
import { VERSION } from "./versions.ts";
import { zeroShot } from "./zero-shot.ts";

const COMMANDS: ReadonlyMap<string, Command> = new Map([
  ["train", train],
  ["eval", evaluate],
  ["predict", predict],
  ["explain", explain],
  ["import", importCommand],
  ["export", exportCommand],
  ["zero-shot", zeroShot],
  ["prompts", prompts],
  ["taxonomy", taxonomy],
  ["probe", probe],
  ["embed", embed],
  ["index", indexCommand],
  ["search", search],
  ["recall", recall],
  ["pretrain", pretrainCommand],
  ["datasets", datasets],
  ["bench", benchCommand],
  ["report", reportCommand],
  ["compare", compareCommand],
  ["doctor", doctor],
  ["profile", profileCommand],
]);

function help(): string {
  const rows = [...COMMANDS].map(([name, { summary }]) => `  ${name.padEnd(10)} ${summary}`);
  return [
    "coop: prompt learning for CLIP on WebGPU",
    "",
    "usage: coop COMMAND [arguments]",
    "",
    ...rows,
    "",
    "`coop COMMAND --help` tells more.",
  ].join("\n");
}

/** Runs one command line; the exit code is 0, 1 for bad input, 2 for wrong use, 130 after Ctrl-C, 143 after SIGTERM. */
export async function main(words: readonly string[]): Promise<number> {
  const [name, ...rest] = words;
  if (name === "--version") {
    print(VERSION);
    return 0;
  }
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    const asked = COMMANDS.get(rest[0]);
    (name === undefined ? say : print)(asked ? helpOf(rest[0], asked) : help());
    return name === undefined ? 2 : 0;
  }
  try {
    const command = COMMANDS.get(name);
    if (!command) {
      const meant = nearest(name, COMMANDS.keys());
      throw new UsageError(
        `there is no command "${name}"${meant === undefined ? "." : `; did you mean ${meant}?`} See \`coop --help\`.`,
      );
    }
    const input = new Input(name, command, rest);
    if (input.has("help")) {
      print(helpOf(name, command));
      return 0;
    }
    useFeatureCache(!input.has("no-cache"));
    return await command.run(input);
  } catch (error) {
    if (!(error instanceof CoopError)) throw error;
    say(`coop: ${error.message}`);
    return error instanceof UsageError ? 2 : 1;
  }
}
