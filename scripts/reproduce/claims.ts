// What the papers say, each as a question to the results. Thresholds stand in the text of the question.
import { type Extent, NOISE, SHOTS, TASK_SETS, TEST_SHIFTS } from "./plan.ts";
import type { Results, Wanted } from "./records.ts";

export type Verdict = "holds" | "does not hold" | "not measured";

export type Claim = {
  /** What the paper says. */
  readonly paper: string;
  /** When it counts as holding here. */
  readonly rule: string;
  readonly judge: (results: Results) => Judgement | undefined;
};

/** What was measured, as a sentence, and whether it is as the rule wants. */
export type Judgement = { readonly shown: string; readonly holds: boolean };

export type JudgedClaim = Pick<Claim, "paper" | "rule"> & { readonly shown: string; readonly verdict: Verdict };

const M16: Wanted = { method: "coop", variant: "M16" };
const CSC: Wanted = { method: "coop", variant: "M16 class-specific" };
const M4: Wanted = { method: "coop", variant: "M4", shots: 16 };
const WORDS: Wanted = { method: "coop", variant: "M4 words", shots: 16 };
const COCOOP: Wanted = { method: "cocoop", variant: "M4 words", shots: 16 };
const PROBE: Wanted = { method: "probe", variant: "" };
const NAIVE: Wanted = { method: "zero-shot", variant: "naive" };
const GOOD: Wanted = { method: "zero-shot", variant: "good" };
const ENSEMBLE: Wanted = { method: "zero-shot", variant: "ensemble" };
const { all, generic, specialised, fineGrained, classSpecific, initialisation, shifted, noisy, baseToNew } = TASK_SETS;

const points = (x: number): string => x.toFixed(1);
const signed = (x: number): string => `${x < 0 ? "−" : "+"}${Math.abs(x).toFixed(1)}`;
const at = (wanted: Wanted, shots: number): Wanted => ({ ...wanted, shots });

/** All numbers, or undefined where one was not measured. */
function known(...numbers: (number | undefined)[]): number[] | undefined {
  return numbers.every((x) => x !== undefined) ? (numbers as number[]) : undefined;
}

/** What is found in the numbers once all of them are there. */
function given(
  numbers: readonly (number | undefined)[],
  judge: (...known: number[]) => Judgement,
): Judgement | undefined {
  const there = known(...numbers);
  return there && judge(...there);
}

/** The mean over the shifted test sets. */
function underShift(results: Results, wanted: Wanted): number | undefined {
  const values = known(...TEST_SHIFTS.map((shift) => results.mean(shifted, wanted, shift)));
  return values && values.reduce((a, b) => a + b, 0) / values.length;
}

const gainsOver = (zeroShot: Wanted, what: string): Claim["judge"] => {
  return (results) =>
    given(
      [specialised, generic].flatMap((tasks) => [results.mean(tasks, at(M16, 16)), results.mean(tasks, zeroShot)]),
      (special, specialZero, plain, plainZero) => ({
        shown: `over ${what}: ${signed(special - specialZero)} on specialised and fine-grained tasks, ${signed(plain - plainZero)} on generic ones`,
        holds: special - specialZero >= plain - plainZero + 5,
      }),
    );
};

export const CLAIMS: readonly Claim[] = [
  {
    paper: "The gain grows with the number of shots.",
    rule: "mean of CoOp (M = 16) over all tasks: no more shots lose more than 0.5 points, and 16 shots beat 1 by 5",
    judge: (results) =>
      given(
        SHOTS.map((n) => results.mean(all, at(M16, n))),
        (...means) => ({
          shown: `${means.map(points).join(" → ")} for ${SHOTS.join(", ")} shots`,
          holds: means.every((m, i) => i === 0 || m >= means[i - 1] - 0.5) && means[means.length - 1] >= means[0] + 5,
        }),
      ),
  },
  {
    paper: "The largest gains are on specialised tasks (EuroSAT +46, Flowers102 +28, DTD +21), little on generic ones.",
    rule: "mean gain at 16 shots over “a photo of a {}.”: at least 5 points more on the specialised tasks",
    judge: gainsOver(NAIVE, "the naive prompt"),
  },
  {
    paper: "The same against a prompt written for the task.",
    rule: "mean gain at 16 shots over the task's own prompt: at least 5 points more on the specialised tasks",
    judge: gainsOver(GOOD, "the good prompt"),
  },
  {
    paper: "CoOp with 16 shots is better than zero-shot with a hand-written prompt (by 15 points on average).",
    rule: "mean over all tasks at 16 shots above that of the task's own prompt",
    judge: (results) =>
      given([results.mean(all, at(M16, 16)), results.mean(all, GOOD)], (coop, good) => ({
        shown: `${points(coop)} against ${points(good)} (${signed(coop - good)})`,
        holds: coop > good,
      })),
  },
  {
    paper: "Class-specific contexts win at 16 shots on fine-grained tasks.",
    rule: `mean of ${fineGrained.join(" and ")} at 16 shots above that of the unified context`,
    judge: (results) =>
      given([results.mean(fineGrained, at(CSC, 16)), results.mean(fineGrained, at(M16, 16))], (own, one) => ({
        shown: `class-specific ${points(own)}, unified ${points(one)} (${signed(own - one)})`,
        holds: own > one,
      })),
  },
  {
    paper: "Class-specific contexts lose with few shots.",
    rule: `mean of ${classSpecific.join(", ")} below the unified context, at 1 and at 2 shots`,
    judge: (results) =>
      given(
        [1, 2].flatMap((n) => [results.mean(classSpecific, at(CSC, n)), results.mean(classSpecific, at(M16, n))]),
        (own1, one1, own2, one2) => ({
          shown: `${signed(own1 - one1)} at 1 shot, ${signed(own2 - one2)} at 2 shots`,
          holds: own1 < one1 && own2 < one2,
        }),
      ),
  },
  {
    paper: "A random context does as well as one that starts as “a photo of a”.",
    rule: "mean of the specialised tasks at 16 shots, M = 4: within 2 points",
    judge: (results) =>
      given([results.mean(initialisation, M4), results.mean(initialisation, WORDS)], (random, words) => ({
        shown: `random ${points(random)}, words ${points(words)} (${signed(random - words)})`,
        holds: Math.abs(random - words) <= 2,
      })),
  },
  {
    paper: "CoOp beats the linear probe with few shots.",
    rule: "mean over all tasks above the probe's, at 1 and at 2 shots",
    judge: (results) =>
      given(
        [1, 2].flatMap((n) => [results.mean(all, at(M16, n)), results.mean(all, at(PROBE, n))]),
        (coop1, probe1, coop2, probe2) => ({
          shown: `${points(coop1)} against ${points(probe1)} at 1 shot, ${points(coop2)} against ${points(probe2)} at 2 shots`,
          holds: coop1 > probe1 && coop2 > probe2,
        }),
      ),
  },
  {
    paper: "The linear probe needs more than 4 shots to reach zero-shot.",
    rule: "its mean over all tasks at 4 shots below that of the task's own prompt",
    judge: (results) =>
      given([results.mean(all, at(PROBE, 4)), results.mean(all, GOOD)], (probe, good) => ({
        shown: `${points(probe)} with 4 shots, ${points(good)} with none`,
        holds: probe < good,
      })),
  },
  {
    paper: "Under domain shift CoOp stays above zero-shot and far above the linear probe.",
    rule: `mean over ${TEST_SHIFTS.join(", ")} pictures of ${shifted.join(" and ")}, 16 shots: above the naive prompt's and the probe's`,
    judge: (results) =>
      given(
        [at(M16, 16), NAIVE, at(PROBE, 16)].map((w) => underShift(results, w)),
        (coop, naive, probe) => ({
          shown: `CoOp ${points(coop)}, zero-shot ${points(naive)}, probe ${points(probe)}; zero-shot with the task's own prompt ${points(underShift(results, GOOD) ?? Number.NaN)}`,
          holds: coop > naive && coop > probe,
        }),
      ),
  },
  {
    paper: "Shorter contexts are more robust to domain shift.",
    rule: "mean over the same pictures: M = 4 above M = 16",
    judge: (results) =>
      given(
        [M4, at(M16, 16)].map((w) => underShift(results, w)),
        (short, long) => ({
          shown: `M = 4 ${points(short)}, M = 16 ${points(long)} (${signed(short - long)})`,
          holds: short > long,
        }),
      ),
  },
  {
    paper: "CoOp loses on classes that it was not trained on.",
    rule: "mean accuracy on new classes below that of the task's own prompt",
    judge: (results) =>
      given(
        [at(M16, 16), GOOD].map((w) => results.mean(baseToNew, { ...w, protocol: "base-to-new" }, "new")),
        (coop, zero) => ({
          shown: `CoOp ${points(coop)}, zero-shot ${points(zero)} (${signed(coop - zero)})`,
          holds: coop < zero,
        }),
      ),
  },
  {
    paper: "CoCoOp is better than CoOp on new classes.",
    rule: "mean accuracy on new classes above that of CoOp with the same start (M = 4, “a photo of a”)",
    judge: (results) =>
      given(
        [COCOOP, WORDS, at(M16, 16)].map((w) => results.mean(baseToNew, { ...w, protocol: "base-to-new" }, "new")),
        (conditional, coop, random) => ({
          shown: `CoCoOp ${points(conditional)}, CoOp ${points(coop)} (${signed(conditional - coop)}); CoOp with 16 random vectors ${points(random)}`,
          holds: conditional > coop,
        }),
      ),
  },
  {
    paper: "Noisy labels hurt.",
    rule: `mean of ${noisy.join(", ")} at 16 shots falls with each share of wrong labels, by 2 points or more in all`,
    judge: (results) =>
      given(
        [0, ...NOISE].map((noise) => results.mean(noisy, { ...at(M16, 16), noise })),
        (...means) => ({
          shown: [0, ...NOISE].map((noise, i) => `${points(means[i])} at ${100 * noise} %`).join(", "),
          holds: means.every((m, i) => i === 0 || m < means[i - 1]) && means[0] - means[means.length - 1] >= 2,
        }),
      ),
  },
  {
    paper: "An ensemble of prompts beats a single one.",
    rule: "mean over all tasks above that of “a photo of a {}.”",
    judge: (results) =>
      given([results.mean(all, ENSEMBLE), results.mean(all, NAIVE)], (many, one) => ({
        shown: `${points(many)} against ${points(one)} (the task's own prompt by itself: ${points(results.mean(all, GOOD) ?? Number.NaN)})`,
        holds: many > one,
      })),
  },
];

/** Each claim with what was measured. */
export const judged = (results: Results): JudgedClaim[] =>
  CLAIMS.map(({ paper, rule, judge }) => {
    const found = judge(results);
    const verdict = !found ? "not measured" : found.holds ? "holds" : "does not hold";
    return { paper, rule, shown: found?.shown ?? "–", verdict };
  });

/** The extent of everything that the claims ask for. */
export const FULL: Omit<Extent, "methods"> = { tasks: all, shots: SHOTS };
