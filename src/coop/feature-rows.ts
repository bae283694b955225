/** Some rows of a table [N, E] (row-major), one after another. */
export function featureRows(table: Float32Array, width: number, rows: ArrayLike<number>): Float32Array {
  const picked = new Float32Array(rows.length * width);
  for (let i = 0; i < rows.length; i++) picked.set(table.subarray(rows[i] * width, (rows[i] + 1) * width), i * width);
  return picked;
}
