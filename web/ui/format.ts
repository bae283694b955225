/** 0.8375 → "83.8 %" */
export const percent = (fraction: number, digits = 1): string =>
  Number.isFinite(fraction) ? `${(100 * fraction).toFixed(digits)} %` : "–";

/** Decimal units, as download sizes are given: 605157884 → "605 MB". */
export function bytes(count: number): string {
  if (count < 1e6) return `${Math.round(count / 1e3)} kB`;
  return count < 1e7 ? `${(count / 1e6).toFixed(1)} MB` : `${Math.round(count / 1e6)} MB`;
}

/** 200 → "3 min 20 s" */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** count(1, "picture") → "1 picture", count(2000, "picture") → "2,000 pictures" */
export const count = (n: number, one: string, many = `${one}s`): string =>
  `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

/** Three significant digits, without an exponent where it can be avoided. */
export function short(value: number): string {
  if (value === 0) return "0";
  if (!Number.isFinite(value)) return "–";
  return Math.abs(value) < 1e-4 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}
