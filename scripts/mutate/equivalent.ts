import type { Mutant } from "./mutant.ts";

/** Faults that are none: what they change gives the same results. Each is known by its file and its line. */
const EQUIVALENT: readonly { readonly file: RegExp; readonly line: RegExp; readonly why: string }[] = [
  {
    file: /^shaders\/attention/,
    line: /PIECES («- → \+» 1u|- «1u → 0u»)/,
    why: "the address of a lane behind the end of a row, whose value is multiplied by 0 or not stored",
  },
  {
    file: /^src\/tensor\/ops\/(matmul|lanes|top-k)/,
    line: /^(export )?const (TINIEST|TINY|SMALL|ENOUGH_TILES|WORTH_SHARING|PARALLEL|SHORT|FEW)\b|turns\b/,
    why: "it decides which of several ways is taken, all of which give the same",
  },
  {
    file: /^src\/tensor\/ops\/rows\.ts$/,
    line: /rowKernels\("[\w-]+", shaders\.\w+, «\d+ → \d+»[,)]/,
    why: "its operations an element, which are only shown in profiles",
  },
  {
    file: /^src\/tensor\/ops\/conv\.ts$/,
    line: /tile: \[(32, «32 → 31»|8, «64 → 63»|«8 → 7», 64)\]/,
    why: "more workgroups than are needed: what lies behind the last pixel or channel is not stored",
  },
  {
    file: /^src\/tensor\/ops\/gather\.ts$/,
    line: /row «< → <=» rows(; row\+\+)?\) (starts|places)\[|«&& → \|\|» row < rows\) places\[next/,
    why: "what is stored outside a typed array is dropped",
  },
  {
    file: /^src\/tensor\/ops\/resample\.ts$/,
    line: /^ {2}if \(.*\[«lines, taps → taps, lines»(, weights)?\]\.some\(/,
    why: "the order in which the same is asked of two arguments",
  },
  {
    file: /^src\/tensor\/ops\/top-k\.ts$/,
    line: /new ArrayBuffer\(«4 → 5»\)/,
    why: "a byte that is not used",
  },
  {
    file: /^src\/tensor\/ops\/top-k\.ts$/,
    line: /^ {2}a === b \? («0 → 1»|0 : a > b \? -(«1 → 2»|1 : a < b \? «1 → 2»))/,
    why: "a sort asks for signs, and of equals whether the later one comes first: neither 1 nor i − j says so",
  },
  {
    file: /^src\/tensor\/ops\/window\.ts$/,
    line: /height \* width > «0 → 1»\)/,
    why: "one pixel is its own mean, whichever way it is read",
  },
];

/** Why a mutant cannot be noticed, where that is known. */
export const whyEquivalent = ({ file, line }: Mutant): string | undefined =>
  EQUIVALENT.find((known) => known.file.test(file) && known.line.test(line))?.why;
