import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** A block of code of a page. */
export interface Block {
  readonly language: string;
  readonly code: string;
  /** Whether a comment before it says `checked, not run`. */
  readonly runs: boolean;
}

/** The fenced blocks of a page. */
export function blocksOf(page: string): Block[] {
  const text = readFileSync(`${ROOT}/${page}`, "utf8");
  return [...text.matchAll(/(<!-- checked, not run -->\s*)?^```(\w*)\n([\s\S]*?)^```$/gm)].map(
    ([, mark, language, code]) => ({ language, code, runs: mark === undefined }),
  );
}

/** Command lines of a page: lines of its shell blocks, and what stands in backquotes and begins with `coop`. */
export function commandsOf(page: string): string[][] {
  const text = readFileSync(`${ROOT}/${page}`, "utf8").replace(/^```(?!sh$)\w+\n[\s\S]*?^```$/gm, "");
  const shell = [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap(([, code]) => code.split(/\n|&&/));
  const inline = [...text.replace(/^```[\s\S]*?^```$/gm, "").matchAll(/`([^`]+)`/g)].map(([, code]) => code);
  return [...shell, ...inline]
    .map((line) =>
      line
        .replace(/\s#.*$/, "")
        .replaceAll("\n", " ")
        .trim(),
    )
    .map((line) => line.replace(/^npm run -s coop --(?: |$)/, "coop ").replace(/^npx coop /, "coop "))
    .filter((line) => line.startsWith("coop "))
    .map((line) => line.split(/\s+/).slice(1));
}

/** A docstring's example of one line, and the value that it promises. */
export interface Example {
  readonly where: string;
  readonly expression: string;
  readonly value: unknown;
}

const VALUE = String.raw`\[[^\]]*\]|-?[\d.]+(?:e-?\d+)?|"[^"]*"|true|false`;

/** The examples `expression // value` in the docstrings of a file. */
export function examplesOf(file: string): Example[] {
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.flatMap((line, i) => {
    const [, expression, value] = line.match(new RegExp(`@example (.*?);? // (${VALUE})(?=[,;]|$)`)) ?? [];
    if (!expression || /^\[[A-Z]|…/.test(value)) return []; // [N, K] is a shape
    return [{ where: `${file}:${i + 1}`, expression, value: JSON.parse(value) }];
  });
}
