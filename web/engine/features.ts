/** Features of pictures under one model: rows of one table, by picture. */
export class Features {
  readonly #width: number;
  readonly #places: Map<string, number>;
  #table: Float32Array;

  /** @param kept of before; rows of another width are left out */
  constructor(width: number, kept: ReadonlyMap<string, Float32Array>) {
    const rows = [...kept].filter(([, row]) => row.length === width);
    this.#width = width;
    this.#places = new Map();
    this.#table = new Float32Array(Math.max(64, rows.length) * width);
    for (const [picture, row] of rows) this.set(picture, row);
  }

  has(picture: string): boolean {
    return this.#places.has(picture);
  }

  set(picture: string, row: Float32Array): void {
    const at = this.#places.get(picture) ?? this.#places.size;
    if ((at + 1) * this.#width > this.#table.length) {
      const larger = new Float32Array(2 * this.#table.length);
      larger.set(this.#table);
      this.#table = larger;
    }
    this.#table.set(row, at * this.#width);
    this.#places.set(picture, at);
  }

  /** [N, E] row-major of pictures that all have a row. */
  of(pictures: readonly string[]): Float32Array {
    const rows = new Float32Array(pictures.length * this.#width);
    pictures.forEach((picture, i) => {
      const from = this.#places.get(picture)! * this.#width;
      rows.set(this.#table.subarray(from, from + this.#width), i * this.#width);
    });
    return rows;
  }
}
