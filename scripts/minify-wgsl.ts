// WGSL without what a compiler does not read: comments, white space, and the length of the names of local variables.

const TOKEN =
  /(\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/)|(0[xX][\da-fA-F]+[iu]?|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fhiu]?)|([A-Za-z_]\w*)|(.)/gy;

interface Token {
  readonly kind: "number" | "name" | "sign";
  readonly text: string;
  /** White space or a comment stands before it. */
  readonly apart: boolean;
}

/** Names of one or two letters that WGSL keeps for itself. */
const RESERVED = new Set(["as", "do", "fn", "if", "of"]);

/**
 * The same shader in fewer bytes. What lies outside functions keeps its names, since code that is put before or behind
 * the shader may refer to it, and so do members.
 *
 * @throws Error where the text has a character that is no WGSL
 */
export function minifyWgsl(source: string): string {
  const tokens = tokensOf(source);
  const short = shortNames(tokens);
  let text = "";
  let before: Token | undefined;
  for (const [i, token] of tokens.entries()) {
    const written = isFixed(tokens, i) ? token.text : (short.get(token.text) ?? token.text);
    text += before && mustPart(before, token) ? ` ${written}` : written;
    before = token;
  }
  return text;
}

function tokensOf(source: string): Token[] {
  const tokens: Token[] = [];
  let apart = false;
  for (const [, space, number, name, sign] of source.matchAll(TOKEN)) {
    if (space !== undefined) apart = true;
    else {
      if (sign !== undefined && !"@#(){}[]<>=!+-*/%&|^~,;:.".includes(sign))
        throw new Error(`${JSON.stringify(sign)} is no WGSL`);
      tokens.push({ kind: number ? "number" : name ? "name" : "sign", text: number ?? name ?? sign, apart });
      apart = false;
    }
  }
  return tokens;
}

/** Whether two tokens would be read as another one if they touched; signs that stood apart stay so. */
const mustPart = (a: Token, b: Token): boolean =>
  a.kind === "sign" || b.kind === "sign"
    ? b.apart && /[-+*/%&|^<>=!]/.test(a.text) && /[-+*/%&|^<>=!]/.test(b.text)
    : true;

/** `x` in `value.x`, which belongs to the type of the value; `group` in `@group(0)` and `position` in `@builtin(position)`. */
const isFixed = (tokens: readonly Token[], i: number): boolean =>
  [".", "@"].includes(tokens[i - 1]?.text) || (tokens[i - 1]?.text === "(" && tokens[i - 2]?.text === "builtin");

/** A short name, used nowhere else in the shader, for each name that is declared in functions only. */
function shortNames(tokens: readonly Token[]): Map<string, string> {
  const uses = new Map<string, number>();
  const local = new Set<string>();
  const outer = new Set<string>();
  let depth = 0;
  let parameters = false;
  let fields = false;
  for (const [i, { kind, text }] of tokens.entries()) {
    const [behind, next] = [tokens[i - 1]?.text, tokens[i + 1]?.text];
    if (text === "{") depth++;
    else if (text === "}") depth--;
    if (text === "fn") parameters = true;
    else if (text === "{") parameters = false;
    if (text === "struct") fields = true;
    else if (text === "}") fields = false;
    if (kind !== "name") continue;
    if (!isFixed(tokens, i)) uses.set(text, (uses.get(text) ?? 0) + 1);
    const declares = ["let", "var", "const"].includes(behind!) || followsVar(tokens, i);
    if (fields || ["fn", "struct", "alias", "override"].includes(behind!)) outer.add(text);
    else if (depth === 0 && declares) outer.add(text);
    else if (declares || (parameters && next === ":")) local.add(text);
  }
  const names = [...local].filter((name) => !outer.has(name)).sort((a, b) => uses.get(b)! - uses.get(a)!);
  const free = shortest(new Set(tokens.map(({ text }) => text)));
  return new Map(names.filter((name) => name.length > 1).map((name) => [name, free.next().value!]));
}

/** Whether `var<uniform>` or the like stands before a name. */
const followsVar = (tokens: readonly Token[], name: number): boolean =>
  /\bvar<\w+(,\w+)?>$/.test(
    tokens
      .slice(Math.max(0, name - 6), name)
      .map(({ text }) => text)
      .join(""),
  );

/** a, b, …, Z, aa, ab, … without those that are taken. */
function* shortest(taken: ReadonlySet<string>): Generator<string, never> {
  const letters = [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"];
  for (let length = 1; ; length++) {
    const words = Array.from({ length }).reduce<string[]>(
      (ends) => ends.flatMap((e) => letters.map((l) => e + l)),
      [""],
    );
    yield* words.filter((word) => !taken.has(word) && !RESERVED.has(word));
  }
}
