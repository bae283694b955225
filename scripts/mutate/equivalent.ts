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
    file: /^src\/autograd\/check\.ts/,
    line: /seed = «0 → 1»|Math\.round\(random\(\).*«64 → 6[35]»/,
    why: "other random directions, which are as good",
  },
  {
    file: /^src\/autograd\/descend\.ts/,
    line: /alphas = pairs\.map\(\(\) => «0 → 1»\)/,
    why: "every element is overwritten before it is read",
  },
];

/** Why a mutant cannot be noticed, where that is known. */
export const whyEquivalent = ({ file, line }: Mutant): string | undefined =>
  EQUIVALENT.find((known) => known.file.test(file) && known.line.test(line))?.why;
