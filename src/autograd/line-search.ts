/** A function along a line: its value and derivative at a step. */
export interface LinePoint {
  readonly step: number;
  readonly value: number;
  readonly slope: number;
}

/** Options of `strongWolfe`. */
export interface LineSearchOptions {
  /** The step to try first. */
  readonly first?: number;
  /** c₁: the share of the slope at 0 that the value must have fallen by. */
  readonly decrease?: number;
  /** c₂: the share of the slope at 0 that the slope may still have. */
  readonly curvature?: number;
  /** Relative error of the values: nearer ones count as equal, and slopes decide. */
  readonly noise?: number;
  readonly maxEvaluations?: number;
}

/**
 * A step that satisfies the strong Wolfe conditions: bracketing, then zooming in by cubic interpolation (Nocedal &
 * Wright, Numerical Optimization, 2nd ed., algorithms 3.5 and 3.6, equation 3.59). Near a minimum float32 values no
 * longer show the decrease; there the condition on it is replaced by one on slopes (Hager & Zhang, SIAM J. Optim. 16
 * (2005), the approximate Wolfe conditions). A value that is not finite counts as too high.
 *
 * @param at evaluates the line at a step > 0; what it returns is passed through
 * @param start the line at step 0, with a slope < 0
 * @returns the point; where evaluations run out, one that is at least lower; undefined if none is
 * @example
 * const at = async (step: number) => ({ step, value: (step - 3) ** 2, slope: 2 * (step - 3) });
 * (await strongWolfe(at, await at(0)))?.value; // well below 9
 */
export async function strongWolfe<P extends LinePoint>(
  at: (step: number) => Promise<P>,
  start: LinePoint,
  options: LineSearchOptions = {},
): Promise<P | undefined> {
  const { first = 1, decrease = 1e-4, curvature = 0.9, noise = 1e-6, maxEvaluations = 20 } = options;
  const slack = noise * Math.abs(start.value);
  const fallen = (p: P): boolean =>
    Number.isFinite(p.slope) &&
    (p.value <= start.value + decrease * p.step * start.slope ||
      (p.value <= start.value + slack && p.slope <= (2 * decrease - 1) * start.slope));
  const flat = (p: P): boolean => Math.abs(p.slope) <= -curvature * start.slope;
  const lower = (p: P | undefined): P | undefined => (p && p.value < start.value ? p : undefined);
  let left = maxEvaluations;

  const zoom = async (low: P | undefined, high: LinePoint): Promise<P | undefined> => {
    while (left-- > 0) {
      const from = low ?? start;
      const p = await at(between(from, high, slack));
      if (!fallen(p) || p.value > from.value + slack) high = p;
      else {
        if (flat(p)) return p;
        if (p.slope * (high.step - from.step) >= 0) high = from;
        low = p;
      }
    }
    return lower(low);
  };

  let before: P | undefined;
  let step = first;
  while (left-- > 0) {
    const p = await at(step);
    if (!fallen(p) || (before && p.value > before.value + slack)) return zoom(before, p);
    if (flat(p)) return p;
    if (p.slope >= 0) return zoom(p, before ?? start);
    step = beyond(before ?? start, p);
    before = p;
  }
  return lower(before);
}

/** Where the cubic through two points with their slopes is lowest; the secant of the slopes where values tell nothing. */
function lowest(a: LinePoint, b: LinePoint, slack: number): number {
  const width = b.step - a.step;
  if (Math.abs(a.value - b.value) <= slack) return a.step - (a.slope * width) / (b.slope - a.slope);
  const d1 = a.slope + b.slope - (3 * (a.value - b.value)) / (a.step - b.step);
  const d2 = Math.sign(width) * Math.sqrt(d1 * d1 - a.slope * b.slope);
  return b.step - (width * (b.slope + d2 - d1)) / (b.slope - a.slope + 2 * d2);
}

/** A step within an interval, a tenth of it away from both ends. */
function between(low: LinePoint, high: LinePoint, slack: number): number {
  const width = high.step - low.step;
  if (!Number.isFinite(high.value) || !Number.isFinite(high.slope)) return low.step + 0.1 * width;
  const share = (lowest(low, high, slack) - low.step) / width;
  return low.step + width * (Number.isFinite(share) ? Math.min(0.9, Math.max(0.1, share)) : 0.5);
}

/** A step behind `b`, where the slopes would reach 0: two to ten times as far. */
function beyond(a: LinePoint, b: LinePoint): number {
  const root = b.step + (b.slope * (b.step - a.step)) / (a.slope - b.slope);
  return Number.isFinite(root) && root > b.step ? Math.min(10 * b.step, Math.max(2 * b.step, root)) : 10 * b.step;
}
