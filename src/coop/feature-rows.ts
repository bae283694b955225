import { countRows } from "../clip/feature-table.ts";

/** Some rows of a table [N, E] (row-major), one after another. */
export function featureRows(table: Float32Array, width: number, rows: ArrayLike<number>): Float32Array {
  const picked = new Float32Array(rows.length * width);
  for (let i = 0; i < rows.length; i++) picked.set(table.subarray(rows[i] * width, (rows[i] + 1) * width), i * width);
  return picked;
}

/**
 * Rows [N, E] brought to length 1 in float64; a row of zeros stays as it is.
 * @example normalizeRows(Float32Array.of(3, 4, 0, 0), 2) // [0.6, 0.8, 0, 0]
 */
export function normalizeRows(features: Float32Array, dim: number): Float32Array {
  countRows(features, dim);
  const out = new Float32Array(features.length);
  for (let start = 0; start < features.length; start += dim) {
    let squares = 0;
    for (let i = start; i < start + dim; i++) squares += features[i] ** 2;
    const scale = squares > 0 ? 1 / Math.sqrt(squares) : 0;
    for (let i = start; i < start + dim; i++) out[i] = features[i] * scale;
  }
  return out;
}
