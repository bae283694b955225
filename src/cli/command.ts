import { parseArgs } from "node:util";
import { nearest } from "../coop/near.ts";
import { InputError } from "../tensor/errors.ts";

/** Wrong use of a command: exit code 2. */
export class UsageError extends InputError {
  override name = "UsageError";
}

/** A flag of a command: its value's name for the help, or a switch without one. */
export interface Flag {
  readonly value?: string;
  readonly help: string;
  /** The value where no number stands behind the flag. */
  readonly otherwise?: string;
  /** May be given several times. */
  readonly many?: boolean;
}

/** One command of the command line. */
export interface Command {
  /** One line for the list of commands. */
  readonly summary: string;
  /** What stands behind the name: `DIR [--shots N]`. */
  readonly usage: string;
  readonly flags: Readonly<Record<string, Flag>>;
  /** More for the command's own help. */
  readonly details?: string;
  run(input: Input): Promise<number>;
}

export const SHARED_FLAGS: Readonly<Record<string, Flag>> = {
  json: { help: "one JSON document on stdout, everything else on stderr" },
  "no-cache": { help: "compute all features anew and keep none" },
  help: { help: "show this text" },
};

export const MODEL_FLAG: Flag = {
  value: "SRC",
  help: "a CLIP: folder, weights file, address, or a name such as openai/clip-vit-base-patch32 or RN50 (default: the tiny CLIP of coop)",
};

/** The arguments of a command, read and checked on demand. */
export class Input {
  readonly positionals: readonly string[];
  private readonly values: Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;
  /** The words behind `coop`, as they were given. */
  readonly words: readonly string[];

  constructor(name: string, command: Command, words: readonly string[]) {
    this.words = [name, ...words];
    const flags = { ...command.flags, ...SHARED_FLAGS };
    const options = Object.fromEntries(
      Object.entries(flags).map(([flag, { value, many }]) => [
        flag,
        {
          type: value ? ("string" as const) : ("boolean" as const),
          multiple: many === true,
          ...(flag === "help" ? { short: "h" } : {}),
        },
      ]),
    );
    try {
      const parsed = parseArgs({ args: joined(words, flags), options, allowPositionals: true });
      this.values = parsed.values;
      this.positionals = parsed.positionals;
    } catch (error) {
      wrong(whatIsWrong(error as Error, flags), name);
    }
    // as "$DIR" gives it where nothing is in DIR: it would mean the folder one is in
    const empty = Object.keys(flags).find((flag) => [this.values[flag]].flat().includes(""));
    if (empty !== undefined) wrong(needsValue(`--${empty}`, flags[empty]), name);
    if (this.positionals.includes("") && !this.has("text")) wrong("one of the arguments is empty.", name);
  }

  has(flag: string): boolean {
    return this.values[flag] === true;
  }

  text(flag: string): string | undefined {
    return this.values[flag] as string | undefined;
  }

  texts(flag: string): string[] {
    return (this.values[flag] as string[] | undefined) ?? [];
  }

  required(flag: string): string {
    return this.text(flag) ?? wrong(`--${flag} is missing.`, this.words[0]);
  }

  /** A comma-separated list without empty entries. */
  list(flag: string): string[] {
    return this.required(flag)
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== "");
  }

  /** The one positional argument. */
  only(what: string): string {
    if (this.positionals.length !== 1)
      wrong(
        this.positionals.length === 0 ? `${what} is missing.` : `one ${what} is taken, not ${this.positionals.length}.`,
        this.words[0],
      );
    return this.positionals[0];
  }

  /** The positional arguments, at least one. */
  some(what: string): readonly string[] {
    return this.positionals.length > 0 ? this.positionals : wrong(`${what} is missing.`, this.words[0]);
  }

  whole(flag: string, otherwise: number, least = 1): number {
    const text = this.text(flag);
    const value = text === undefined ? otherwise : number(text);
    if (!Number.isSafeInteger(value) || value < least)
      throw new InputError(`--${flag} is ${text}; give a whole number ≥ ${least}, such as ${otherwise}`);
    return value;
  }

  /** From 0, and below `below`. */
  fraction(flag: string, otherwise: number, below = Number.POSITIVE_INFINITY): number {
    const text = this.text(flag);
    const value = text === undefined ? otherwise : number(text);
    if (!(value >= 0 && value < below))
      throw new InputError(
        `--${flag} is ${text}; give a number from 0${below < Number.POSITIVE_INFINITY ? `, below ${below}` : ""}, such as ${otherwise}`,
      );
    return value;
  }

  /** One of some words. */
  choice<T extends string>(flag: string, choices: readonly T[]): T {
    const text = this.text(flag) ?? choices[0];
    const found = choices.find((one) => one === text);
    if (found === undefined) throw new InputError(`--${flag} is ${text}; give ${choices.join(", ")}`);
    return found;
  }

  positive(flag: string, otherwise: number): number {
    const text = this.text(flag);
    const value = text === undefined ? otherwise : number(text);
    if (!Number.isFinite(value) || value <= 0)
      throw new InputError(`--${flag} is ${text}; give a finite number above 0, such as ${otherwise}`);
    return value;
  }
}

const needsValue = (word: string, { value }: Flag): string => `${word} needs a value: ${word} ${value}.`;

/** Words as parseArgs takes them: what need not stand behind a flag, and numbers below 0, joined to it. */
function joined(words: readonly string[], flags: Readonly<Record<string, Flag>>): string[] {
  const args: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const [word, next = ""] = [words[i], words[i + 1]];
    const flag = word.startsWith("--") && Object.hasOwn(flags, word.slice(2)) ? flags[word.slice(2)] : undefined;
    if (flag?.otherwise !== undefined && !/^\d/.test(next)) args.push(`${word}=${flag.otherwise}`);
    else if (flag?.value && /^-\.?\d/.test(next)) args.push(`${word}=${words[++i]}`);
    else args.push(word);
  }
  return args;
}

/** What parseArgs complains of, in our words. */
function whatIsWrong({ message }: Error, flags: Readonly<Record<string, Flag>>): string {
  const [, word, flag = ""] = /'(?:-\w, )?(--?([^' ]*))/.exec(message) ?? [];
  if (word === undefined) return `${message}.`;
  if (Object.hasOwn(flags, flag)) {
    return flags[flag].value ? needsValue(word, flags[flag]) : `${word} takes no value.`;
  }
  const meant = nearest(flag, Object.keys(flags));
  return `there is no flag ${word}${meant === undefined ? "." : `; did you mean --${meant}?`}`;
}

const number = (text: string): number => (text.trim() === "" ? Number.NaN : Number(text));

function wrong(what: string, name: string): never {
  throw new UsageError(`${what} See \`coop ${name} --help\`.`);
}

/** The help of one command. */
export function helpOf(name: string, command: Command): string {
  const rows = Object.entries({ ...command.flags, ...SHARED_FLAGS }).map(([flag, { value, help }]) => [
    `  --${flag}${value ? ` ${value}` : ""}`,
    help,
  ]);
  const width = Math.max(...rows.map(([left]) => left.length));
  return [
    `coop ${name} ${command.usage}`,
    "",
    command.summary,
    ...(command.details ? ["", command.details] : []),
    "",
    ...rows.map(([left, help]) => `${left.padEnd(width)}  ${help}`),
  ].join("\n");
}
