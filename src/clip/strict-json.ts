/** What a strictly parsed JSON text can hold: objects are Maps, numbers are whole and not negative. */
export type StrictJson = string | number | boolean | null | StrictJson[] | Map<string, StrictJson>;

/** Where and why a text was refused; `at` is a character offset. */
export class StrictJsonError extends Error {
  readonly at: number;
  constructor(at: number, message: string) {
    super(message);
    this.at = at;
  }
}

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?[0-9][0-9.eE+-]*/y;
const LITERAL = /true|false|null/y;
const MAX_DEPTH = 8;
const MAX_VALUES = 2_000_000;

/**
 * Parses JSON as a file header needs it: a key that comes twice, a number that is not plainly written as a whole
 * number below 2^53 (`1.0`, `1e3`, `-0`, `01`), nesting deeper than 8, over two
 * million values and anything after the value are refused
 * with a StrictJsonError. Names such as `__proto__` are ordinary keys of a Map.
 */
export function parseStrictJson(text: string): StrictJson {
  let at = 0;
  let values = 0;
  const fail = (message: string, where = at): never => {
    throw new StrictJsonError(where, message);
  };
  const match = (pattern: RegExp): string => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0] ?? "";
    at += found.length;
    return found;
  };
  const next = (char: string): boolean => {
    match(SPACE);
    if (text[at] !== char) return false;
    at++;
    return true;
  };

  const string = (): string => {
    const start = at++;
    while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
    if (at >= text.length) fail("a string has no end", start);
    at++;
    let value = "";
    try {
      value = JSON.parse(text.slice(start, at)) as string;
    } catch {
      fail("a string holds a control character or a bad escape", start);
    }
    if (/\p{Surrogate}/u.test(value)) fail("a string holds half a surrogate pair", start);
    return value;
  };

  const number = (): number => {
    const start = at;
    const digits = match(NUMBER);
    if (!/^(0|[1-9][0-9]*)$/.test(digits)) fail(`${digits} is not a plain whole number`, start);
    const value = Number(digits);
    if (!Number.isSafeInteger(value)) fail(`${digits} is too large`, start);
    return value;
  };

  const object = (depth: number): Map<string, StrictJson> => {
    const entries = new Map<string, StrictJson>();
    if (next("}")) return entries;
    do {
      match(SPACE);
      const start = at;
      if (text[at] !== '"') fail("a key in double quotes is missing");
      const key = string();
      if (entries.has(key)) fail(`the key ${JSON.stringify(key)} comes twice`, start);
      if (!next(":")) fail(`":" is missing after the key ${JSON.stringify(key)}`);
      entries.set(key, value(depth));
    } while (next(","));
    if (!next("}")) fail('"," or "}" is missing');
    return entries;
  };

  const array = (depth: number): StrictJson[] => {
    const items: StrictJson[] = [];
    if (next("]")) return items;
    do items.push(value(depth));
    while (next(","));
    if (!next("]")) fail('"," or "]" is missing');
    return items;
  };

  const value = (depth: number): StrictJson => {
    if (depth > MAX_DEPTH) fail("it is nested too deeply");
    if (++values > MAX_VALUES) fail("it holds too many values");
    if (next("{")) return object(depth + 1);
    if (next("[")) return array(depth + 1);
    if (text[at] === '"') return string();
    if (/[-0-9]/.test(text[at] ?? "")) return number();
    const word = match(LITERAL);
    if (!word) fail(at < text.length ? `${JSON.stringify(text[at])} is not JSON` : "it breaks off");
    return JSON.parse(word) as boolean | null;
  };

  const result = value(0);
  match(SPACE);
  if (at < text.length) fail("something follows the JSON value");
  return result;
}
