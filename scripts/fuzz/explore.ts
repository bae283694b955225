import type { Coverage } from "./coverage.ts";
import { judge, type Verdict } from "./judge.ts";
import { BYTE_MUTATIONS } from "./mutate-bytes.ts";
import { type Random, randomFrom } from "./random.ts";
import type { Target } from "./target.ts";

export interface Search {
  /** how many to give to the target, those to begin with included */
  readonly inputs: number;
  readonly seed: number | string;
  /** Inputs that run new code are kept and changed further; without it only those to begin with are. */
  readonly coverage?: Coverage;
  /** Inputs of before. */
  readonly known?: readonly Uint8Array[];
  /** Before an input is given to the target. */
  onInput?(bytes: Uint8Array): void;
  onVerdict?(verdict: Verdict, bytes: Uint8Array): void;
  /** An input that ran new code. */
  onKept?(bytes: Uint8Array): void;
}

export interface Explored {
  readonly inputs: number;
  readonly read: number;
  readonly refused: number;
  readonly slowest: number;
  /** The most bytes that were allocated for one input, beyond its size. */
  readonly allocated: number;
  readonly kept: number;
}

const LONGEST = 2 ** 16;
/** Asking for coverage takes longer than most inputs do: so many are run between two questions, twice as many where nothing was new. */
const BATCH = { least: 16, most: 1024 };
const MOST_KEPT = 5000;

/** Gives inputs to a target: whole ones, and what random changes make of them. */
export async function explore(target: Target, search: Search): Promise<Explored> {
  const { coverage } = search;
  const random = randomFrom("fuzz", target.name, search.seed);
  const corpus = [...(await target.seeds(random)), ...(search.known ?? [])];
  const begun = corpus.length;
  let [inputs, read, slowest, allocated] = [0, 0, 0, 0];

  const give = async (bytes: Uint8Array): Promise<void> => {
    search.onInput?.(bytes);
    const verdict = await judge(target, bytes);
    inputs++;
    if (verdict.outcome === "read") read++;
    slowest = Math.max(slowest, verdict.milliseconds);
    allocated = Math.max(allocated, verdict.allocated - bytes.length);
    search.onVerdict?.(verdict, bytes);
  };

  await judge(target, corpus[0]); // what is loaded or compiled at first use is not an input's doing
  for (const bytes of corpus.slice(0, search.inputs)) await give(bytes);
  coverage?.isNew({ keep: true });
  let size = BATCH.least;
  while (inputs < search.inputs) {
    const batch: Uint8Array[] = [];
    while (batch.length < size && inputs < search.inputs) {
      batch.push(changed(target, corpus, random));
      await give(batch.at(-1)!);
    }
    size = Math.min(2 * size, BATCH.most);
    if (!coverage?.isNew({ keep: false })) continue;
    size = BATCH.least;
    for (const bytes of batch) {
      search.onInput?.(bytes);
      await judge(target, bytes);
      if (!coverage.isNew({ keep: true }) || corpus.length >= MOST_KEPT) continue;
      corpus.push(bytes);
      search.onKept?.(bytes);
    }
  }
  return { inputs, read, refused: inputs - read, slowest, allocated, kept: corpus.length - begun };
}

/** One input of the corpus, more often one of the last, after one change or several. */
function changed(target: Target, corpus: readonly Uint8Array[], random: Random): Uint8Array {
  const own = target.mutations ?? [];
  const longest = target.longest ?? LONGEST;
  const from = random.oneIn(3) ? Math.floor(0.75 * corpus.length) : 0;
  let bytes = corpus[from + random.below(corpus.length - from)];
  do {
    const mutations = own.length > 0 && !random.oneIn(3) ? own : BYTE_MUTATIONS;
    bytes = random.pick(mutations)(bytes, random, random.pick(corpus)).subarray(0, longest);
  } while (!random.oneIn(2));
  return bytes.slice();
}
