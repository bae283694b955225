import { FormatError } from "../tensor/errors.ts";

/** A pattern may repeat so many things, one after another, as often as they come: what it takes grows with that power. */
const MOST_REPEATS = 3;
/** The library goes through all ids up to the largest. */
const MOST_TOKENS = 2 ** 20;
const MAX_DEPTH = 64;
const MOST_GROWTH = 1024;

/**
 * Looks a `tokenizer.json` through for what the library that runs it would take without a word: ids that are no ids, and
 * patterns that are none, or that can take for ever.
 *
 * @throws FormatError
 */
export function checkTokenizerJson(json: object, name: string): void {
  const refuse = (why: string): never => {
    throw new FormatError(`${name}: ${why}. It must be a tokenizer.json as Hugging Face writes it.`);
  };
  const { model, added_tokens: added = [] } = json as { model?: { vocab?: unknown }; added_tokens?: unknown };
  const vocabulary = Object.entries(Object(model?.vocab ?? {}) as object);
  if (!Array.isArray(model?.vocab))
    for (const [token, id] of vocabulary) if (!isId(id)) refuse(`the id of the token ${JSON.stringify(token)} is none`);
  if (!Array.isArray(added)) refuse("added_tokens is no list");
  for (const token of added as { id?: unknown; content?: unknown }[])
    if (!isId(token?.id) || typeof token.content !== "string")
      refuse("a token of added_tokens lacks its id or its text");

  let growth = 1;
  const visit = (value: unknown, depth: number): void => {
    if (typeof value !== "object" || value === null) return;
    if (depth > MAX_DEPTH) refuse("it is nested too deeply");
    growth *= growthOf(value, refuse);
    if (growth > MOST_GROWTH) refuse(`it makes texts over ${MOST_GROWTH} times as long`);
    for (const [key, inner] of Object.entries(value)) if (value !== model || key !== "vocab") visit(inner, depth + 1);
  };
  visit(json, 0);
}

const isId = (value: unknown): boolean =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) < MOST_TOKENS;

/** How many times as long a step of the tokenizer may make a text. */
function growthOf(step: object, refuse: (why: string) => never): number {
  const { type, pattern, content = "", prepend = "", length, max_input_chars_per_word: longest = 100 } = step as Step;
  if (type === "Split" || type === "Replace") checkPattern(pattern, refuse);
  if (type === "FixedLength" && !(Number.isInteger(length) && (length as number) > 0))
    refuse(`the length of a ${type} is no whole number above 0`);
  if (type === "WordPiece" && !(typeof longest === "number" && longest <= 1000))
    refuse("the max_input_chars_per_word of its WordPiece is no number up to 1000");
  if (type === "Prepend" && !(typeof prepend === "string" && prepend.length <= MOST_GROWTH))
    refuse("what its Prepend puts before a text is none or too long");
  if (type !== "Replace") return 1;
  return typeof content === "string" ? 1 + content.length : refuse("the content of a Replace is no text");
}

type Step = Readonly<
  Partial<Record<"type" | "pattern" | "content" | "prepend" | "length" | "max_input_chars_per_word", unknown>>
>;

function checkPattern(pattern: unknown, refuse: (why: string) => never): void {
  const { Regex: regex, String: text } = Object(pattern) as { Regex?: unknown; String?: unknown };
  if (typeof text === "string" && regex === undefined) return;
  if (typeof regex !== "string") refuse("a pattern of it is neither a Regex nor a String");
  else if (canTakeForever(regex))
    refuse(`the pattern ${JSON.stringify(regex.slice(0, 80))} can take for ever on some texts`);
}

/**
 * Whether a regular expression repeats a group that repeats or chooses within it, as `(a+)+` and `(a|a)*` do, or has
 * more than three open repetitions in a row.
 */
export function canTakeForever(regex: string): boolean {
  const plain = regex.replace(/\\[pP]\{[^}]*\}|\\u\{[^}]*\}|\\./gsu, "x");
  const groups = [{ repeats: 0, most: 0, chooses: false }];
  for (let at = 0; at < plain.length; at++) {
    const group = groups.at(-1)!;
    const char = plain[at];
    if (char === "(") groups.push({ repeats: 0, most: 0, chooses: false });
    else if (char === "|") Object.assign(group, { repeats: 0, chooses: true });
    else if (char === ")" && groups.length > 1) {
      groups.pop();
      if (repetition(plain, at + 1) > 1 && (group.most > 0 || group.chooses)) return true;
      count(groups.at(-1)!, group.most);
    } else {
      if (char === "[") at = endOfClass(plain, at);
      if (repetition(plain, at + 1) > 1) count(group, 1);
    }
    if (group.most > MOST_REPEATS) return true;
  }
  return groups.some(({ most }) => most > MOST_REPEATS);
}

function count(group: { repeats: number; most: number }, more: number): void {
  group.repeats += more;
  group.most = Math.max(group.most, group.repeats);
}

/** How often at most the quantifier at a place lets something come: 1 where there is none. */
function repetition(regex: string, at: number): number {
  if (regex[at] === "*" || regex[at] === "+") return Number.POSITIVE_INFINITY;
  const [, least, open, most] = /^\{(\d*)(,?)(\d*)\}/.exec(regex.slice(at, at + 24)) ?? [];
  if (least === undefined) return 1;
  return open === "" ? Number(least) : most === "" ? Number.POSITIVE_INFINITY : Number(most);
}

/** The bracket that ends a class of characters; classes in it, as Oniguruma has them, are passed over. */
function endOfClass(regex: string, from: number): number {
  let depth = 0;
  for (let at = from; at < regex.length; at++) {
    if (regex[at] === "[") depth++;
    else if (regex[at] === "]" && at > from + 1 && --depth === 0) return at;
  }
  return regex.length;
}
