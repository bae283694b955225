import type { Mutant } from "./mutant.ts";

/** Faults that are none: what they change gives the same results. Each is known by its file and its line. */
const EQUIVALENT: readonly { readonly file: RegExp; readonly line: RegExp; readonly why: string }[] = [
  {
    file: /^shaders\/attention/,
    line: /(select\(Piece\(\), |sum\[c\] = ).*PIECES («- → \+» 1u|- «1u → 0u»)/,
    why: "the address of a lane behind the end of a row, whose value is replaced by 0 or not stored",
  },
  {
    file: /^shaders\/attention\.wgsl/,
    line: /let value = .*PIECES («- → \+» 1u|- «1u → 0u»)/,
    why: "the address of a lane behind the end of a row, whose sum is not stored",
  },
  {
    file: /^src\/tensor\/ops\/(matmul|lanes|top-k)/,
    line: /^(export )?const (TINIEST|TINY|SMALL|ENOUGH_TILES|WORTH_SHARING|PARALLEL|SHORT|FEW)\b|turns\b/,
    why: "it decides which of several ways is taken, all of which give the same",
  },
  {
    file: /^src\/autograd\/check\.ts/,
    line: /seed = «0 → 1»|Math\.round\(random\(\).*«64 → 6[35]»/,
    why: "other random directions, which are as good",
  },
  {
    file: /^src\/autograd\/descend\.ts/,
    line: /alphas = pairs\.map\(\(\) => «0 → 1»\)/,
    why: "every element is overwritten before it is read",
  },
  {
    file: /^shaders\/matmul(-lanes)?\.wgsl$/,
    line: /min\(.*P\.[MN] («- → \+» 1|- «1 → 0»)\)/,
    why: "where a row or column behind the end is read, whose products go into sums that are not stored",
  },
  { file: /^shaders\/matmul-lanes/, line: /^const ACROSS_K = «2 → 3»;/, why: "a name's number, as good as any other" },
  {
    file: /^src\/tensor\/ops\/(matmul|lanes|conv|attention-kernels)/,
    line: /^\s+subgroup: (together \? )?«8 → [79]»/,
    why: "subgroups are powers of two: 7 is 8, and with 9 those of 8 lanes take another way, which gives the same",
  },
  {
    file: /^src\/tensor\/ops\/attention-kernels/,
    line: /variant\("(-single|-alone)?", [14], «(true|false) → (true|false)»\)/,
    why: "it repeats another of the ways that it is one of, all of which give the same",
  },
  {
    file: /^src\/tensor\/ops\/attention-kernels/,
    line: /OWN = \$\{Math\.ceil\((count|valueCount) «\/ → \*» lanes\)\}/,
    why: "room for pieces behind the end of a row, which are 0 and not stored",
  },
  {
    file: /^src\/tensor\/ops\/attention\.ts/,
    line: /\[«q, k → k, q», v\]\.every\(/,
    why: "what is asked of all three, in another order",
  },
  {
    file: /^src\/tensor\/ops\/matmul/,
    line: /turned = \(.*«.*».*\)\.op\.name === "transpose"/,
    why: "whether the gradient is made turned and turned back, which is the same gradient",
  },
  {
    file: /^src\/tensor\/ops\/matmul/,
    line: /right\.rank === («2 → 1» && left\.rank > 2|2 && left\.rank > «2 → [13]»)\)/,
    why: "whether a matrix is spread over a batch or the batch's rows are taken together, which gives the same",
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
