import type { Edit } from "./mutant.ts";

const SWAPS: Readonly<Record<string, string>> = {
  ...{ "+": "-", "-": "+", "*": "/", "/": "*", "%": "/" },
  ...{ "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==" },
  ...{ "&&": "||", "||": "&&", "<<": ">>", ">>": "<<", "^": "|", "|": "&", "&": "|" },
  ...{ "+=": "-=", "-=": "+=", "*=": "/=" },
};

const COMMENT = /\/\/[^\n]*/g;
/** Declarations: what could be changed there gives no program, or another name for the same. */
const DECLARED = /struct \w+ \{[^}]*\}|@\w+(\([^)]*\))?|array<[^>()]*>|\bvec[234]<\w+>/g;

/** Faults in WGSL that is written with spaces around operators: operators, constants, components, calls. */
export function wgslEdits(source: string): Edit[] {
  // what is skipped becomes white space, so that places stay
  const text = source.replace(COMMENT, blank).replace(DECLARED, blank);
  const edits: Edit[] = [];
  const each = (pattern: RegExp, replace: (match: RegExpExecArray) => readonly string[]) => {
    for (const match of text.matchAll(pattern))
      for (const after of replace(match))
        edits.push({ start: match.index, end: match.index + match[0].length, after, wgsl: true });
  };
  each(/(?<= )[-+*/%<>=!&|^]+(?= )/g, ([operator]) => (SWAPS[operator] ? [SWAPS[operator]] : []));
  each(/(?<![\w.])\d[\w.]*/g, ([number]) => changed(number));
  each(/(?<=[\w)\]])\.[xyzw]\b/g, ([name]) => [`.${"yxwz"["xyzw".indexOf(name[1])]}`]);
  each(/(?<=[(,=?:] ?)-(?=[\w(.])/g, () => [""]);
  each(/(?<=[( ])!(?=[\w(])/g, () => [""]);
  each(/\b(max|min)(?=\()/g, ([name]) => [name === "max" ? "min" : "max"]);
  for (const match of text.matchAll(/\b(select|fma)\(/g)) {
    const call = argumentsAt(text, match.index + match[0].length);
    if (call?.parts.length !== 3) continue;
    const [a, b, c] = call.parts.map(([from, to]) => source.slice(from, to));
    const after = match[1] === "select" ? [`select(${b},${a},${c})`] : [c.trim(), `fma(${a},${b}, -(${c.trim()}))`];
    edits.push(...after.map((text) => ({ start: match.index, end: call.end, after: text, wgsl: true })));
  }
  return edits;
}

const blank = (text: string): string => text.replace(/[^\n]/g, " ");

/** A number next to it, or twice as large where it is no whole one. */
export function changed(number: string): string[] {
  const [, digits, suffix] = /^(0x[\da-fA-F]+|[\d.]+(?:e[-+]?\d+)?)([uifh]?)$/.exec(number) ?? [];
  const value = Number(digits);
  if (digits === undefined || Number.isNaN(value)) return [];
  if (digits.includes(".") || digits.includes("e")) return [`${value === 0 ? "1.0" : decimal(2 * value)}${suffix}`];
  return [value + 1, ...(value > 0 ? [value - 1] : [])].map((n) => `${n}${suffix}`);
}

const decimal = (n: number): string => (/[.e]/.test(String(n)) ? String(n) : `${n}.0`);

/** Where the arguments of a call lie whose first one begins at `from`, and where the call ends. */
function argumentsAt(text: string, from: number) {
  const parts: [number, number][] = [];
  let depth = 0;
  for (let i = from, start = from; i < text.length; i++) {
    if (depth === 0 && (text[i] === "," || text[i] === ")")) {
      parts.push([start, i]);
      start = i + 1;
      if (text[i] === ")") return { parts, end: i + 1 };
    }
    if ("([".includes(text[i])) depth++;
    if (")]".includes(text[i])) depth--;
  }
  return undefined;
}
