import type { RGB } from "./colours.ts";
import type { Random } from "./random.ts";
import type { Field, Region } from "./regions.ts";

/** Width and height of a picture in pixels. */
export const PICTURE_SIZE = 32;

/** Width and height of the grid on which it is drawn: two by two cells are averaged into a pixel. */
const GRID = 2 * PICTURE_SIZE;
const CELLS = GRID * GRID;

/** One byte per cell of the grid, 1 where a region is. */
export type Mask = Uint8Array;

const centre = (i: number): number => (i + 0.5) / PICTURE_SIZE - 1;
const UPRIGHT_X = Float64Array.from({ length: CELLS }, (_, cell) => centre(cell % GRID));
const UPRIGHT_Y = Float64Array.from({ length: CELLS }, (_, cell) => -centre(Math.floor(cell / GRID)));

/** The sheet a picture is drawn on: linear RGB on a 64×64 grid over [−1, 1]², y upwards, drawn over from back to front. */
export class Canvas {
  readonly #rgb = new Float32Array(CELLS * 3);
  readonly #x = UPRIGHT_X;
  readonly #y = UPRIGHT_Y;
  readonly #upright: boolean;

  /** @param rotation the whole scene is turned by it (radians). */
  constructor(rotation = 0) {
    this.#upright = rotation === 0;
    if (this.#upright) return;
    const cos = Math.cos(rotation);
    const sin = Math.sin(rotation);
    this.#x = UPRIGHT_X.map((x, cell) => x * cos + UPRIGHT_Y[cell] * sin);
    this.#y = UPRIGHT_Y.map((y, cell) => y * cos - UPRIGHT_X[cell] * sin);
  }

  fill([r, g, b]: RGB): void {
    for (let i = 0; i < this.#rgb.length; i += 3) {
      this.#rgb[i] = r;
      this.#rgb[i + 1] = g;
      this.#rgb[i + 2] = b;
    }
  }

  /** The cells whose centre lies inside the region (and inside `within`). */
  mask({ inside, box }: Region, within?: Mask): Mask {
    const mask = new Uint8Array(CELLS);
    const left = this.#upright ? gridLine(box[0]) : 0;
    const right = this.#upright ? gridLine(box[2]) : GRID;
    const top = this.#upright ? gridLine(-box[3]) : 0;
    const bottom = this.#upright ? gridLine(-box[1]) : GRID;
    for (let row = top; row < bottom; row++) {
      for (let cell = row * GRID + left; cell < row * GRID + right; cell++) {
        if ((!within || within[cell]) && inside(this.#x[cell], this.#y[cell])) mask[cell] = 1;
      }
    }
    return mask;
  }

  /** Covers a region (of `within`) with a colour. */
  paint(where: Region | Mask, [r, g, b]: RGB, within?: Mask): void {
    const mask = where instanceof Uint8Array ? where : this.mask(where, within);
    for (let cell = 0; cell < CELLS; cell++) {
      if (!mask[cell]) continue;
      this.#rgb[3 * cell] = r;
      this.#rgb[3 * cell + 1] = g;
      this.#rgb[3 * cell + 2] = b;
    }
  }

  /** Adds light to all three channels, or to one. */
  add(light: Field, where?: Mask, channel?: 0 | 1 | 2): void {
    for (let cell = 0; cell < CELLS; cell++) {
      if (where && !where[cell]) continue;
      const amount = light(this.#x[cell], this.#y[cell]);
      if (channel === undefined || channel === 0) this.#rgb[3 * cell] += amount;
      if (channel === undefined || channel === 1) this.#rgb[3 * cell + 1] += amount;
      if (channel === undefined || channel === 2) this.#rgb[3 * cell + 2] += amount;
    }
  }

  /** Multiplies all three channels. */
  scale(factor: Field, where?: Mask): void {
    for (let cell = 0; cell < CELLS; cell++) {
      if (where && !where[cell]) continue;
      const amount = factor(this.#x[cell], this.#y[cell]);
      this.#rgb[3 * cell] *= amount;
      this.#rgb[3 * cell + 1] *= amount;
      this.#rgb[3 * cell + 2] *= amount;
    }
  }

  /** Replaces every square of `side`×`side` cells by the colour of its middle. */
  coarsen(side: number): void {
    for (let row = 0; row < GRID; row++) {
      for (let column = 0; column < GRID; column++) {
        const middle = (row - (row % side) + (side >> 1)) * GRID + column - (column % side) + (side >> 1);
        const cell = row * GRID + column;
        if (cell !== middle) this.#rgb.copyWithin(3 * cell, 3 * middle, 3 * middle + 3);
      }
    }
  }

  /**
   * What a camera makes of the sheet: random gain and offset, and noise of deviation `noise` on every value.
   * @returns uint8 RGB, [32, 32, 3], row-major from the upper left.
   */
  photograph(random: Random, noise: number, inverted = false): Uint8Array {
    const pixels = new Uint8ClampedArray(PICTURE_SIZE * PICTURE_SIZE * 3);
    const gain = (inverted ? -1 : 1) * random.uniform(0.85, 1.1);
    const offset = random.uniform(-0.05, 0.05) - (inverted ? gain : 0);
    const rgb = this.#rgb;
    for (let row = 0, out = 0; row < PICTURE_SIZE; row++) {
      for (let column = 0; column < PICTURE_SIZE; column++) {
        for (let channel = 0; channel < 3; channel++, out++) {
          const upper = 3 * (2 * row * GRID + 2 * column) + channel;
          const lower = upper + 3 * GRID;
          const mean = (rgb[upper] + rgb[upper + 3] + rgb[lower] + rgb[lower + 3]) / 4;
          pixels[out] = 255 * (mean * gain + offset + noise * random.normal());
        }
      }
    }
    return new Uint8Array(pixels.buffer);
  }
}

/** The cells of a mask for which some cell `width` steps left, right, up or down is outside it. */
export function edge(mask: Mask, width: number): Mask {
  const rim = new Uint8Array(CELLS);
  for (let cell = 0; cell < CELLS; cell++) {
    if (!mask[cell]) continue;
    const column = cell % GRID;
    const west = column < width || mask[cell - width];
    const east = column >= GRID - width || mask[cell + width];
    const north = cell < width * GRID || mask[cell - width * GRID];
    const south = cell >= CELLS - width * GRID || mask[cell + width * GRID];
    if (!(west && east && north && south)) rim[cell] = 1;
  }
  return rim;
}

/** The first row or column of cells whose centre is not before `coordinate`, in 0 … 64. */
function gridLine(coordinate: number): number {
  return Math.min(GRID, Math.max(0, Math.ceil((coordinate + 1) * PICTURE_SIZE - 0.5)));
}
