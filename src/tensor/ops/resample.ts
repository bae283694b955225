import { gridFor } from "../codegen.ts";
import { DTypeError, ShapeError } from "../errors.ts";
import { type Attrs, defineOp } from "../op.ts";
import * as shaders from "../shaders.ts";
import { showShape, sizeOf } from "../shape.ts";
import { apply, type Tensor } from "../tensor.ts";

/** Along which axis `resample` works. */
export type Direction = "across" | "down";

/** Steps from one output of a line to the next, in taps and in pixels, and from one weight's pixel to the next. */
const stepsOf = ({ direction, width }: Attrs): { tap: number; column: number; pixel: number } =>
  direction === "across" ? { tap: 1, column: 0, pixel: 1 } : { tap: 0, column: 1, pixel: width as number };

const RESAMPLE = defineOp({
  name: "resample",
  result: ([, lines], attrs) => ({ shape: [lines.shape[0], attrs.width as number], dtype: "u32" }),
  reference: ([pixels, lines, taps, weights], attrs, output) => {
    const width = attrs.width as number;
    const step = stepsOf(attrs);
    return Float64Array.from({ length: sizeOf(output.shape) }, (_, i) => {
      const [line, x] = [Math.floor(i / width), i % width];
      const tap = 2 * (lines.data[2 * line + 1] + x * step.tap);
      const start = lines.data[2 * line] + x * step.column + taps.data[tap] * step.pixel;
      let result = 0;
      for (const shift of [0, 8, 16]) {
        let sum = 2 ** 21;
        for (let k = taps.data[tap + 1]; k < taps.data[tap + 3]; k++)
          sum += weights.data[k] * ((pixels.data[start + (k - taps.data[tap + 1]) * step.pixel] >> shift) & 255);
        result |= Math.min(255, Math.max(0, Math.floor(sum / 2 ** 22))) << shift;
      }
      return result;
    });
  },
  stops: true,
  run: {
    kind: "kernel",
    kernels: [
      {
        name: "resample",
        source: shaders.resample,
        params: ({ output, attrs }) => ({
          COUNT: sizeOf(output.shape),
          WIDTH: attrs.width as number,
          TAP_STEP: stepsOf(attrs).tap,
          COLUMN_STEP: stepsOf(attrs).column,
          PIXEL_STEP: stepsOf(attrs).pixel,
          GRID: gridFor(sizeOf(output.shape))[0] * 64,
        }),
        workgroups: ({ output }) => gridFor(sizeOf(output.shape)),
      },
    ],
  },
});

/** What `resample` reads: lines of many pictures of different sizes, one after another. */
export interface Resampling {
  /** u32 [P]: pixels 0x00BBGGRR */
  readonly pixels: Tensor;
  /** i32 [L, 2]: for each line of the result the pixel that its taps count from, and its (first) tap */
  readonly lines: Tensor;
  /**
   * i32 [T + 1, 2]: the first pixel under the weights (counted along the pass) and where its weights begin; those of a tap
   * end where the next one's begin
   */
  readonly taps: Tensor;
  /** i32 [W]: whole numbers, 2²² standing for 1; their sizes add up to less than 2 for each tap */
  readonly weights: Tensor;
}

/**
 * One pass of a separable resize of 8-bit pictures, each result rounded and clipped to a byte a channel in whole-number
 * arithmetic, so that every adapter gives the same bytes. No gradient flows through it.
 *
 * @param direction "across": the taps of a line follow one another, one for each of its `width` results;
 *   "down": all results of a line share its tap, and the pixels lie in rows of `width`
 * @param width pixels in a line of the result
 * @returns u32 [L, width]
 */
export function resample({ pixels, lines, taps, weights }: Resampling, direction: Direction, width: number): Tensor {
  if (pixels.dtype !== "u32" || [lines, taps, weights].some(({ dtype }) => dtype !== "i32"))
    throw new DTypeError("resample: pixels are u32; lines, taps and weights are i32");
  if (pixels.rank !== 1 || weights.rank !== 1 || [lines, taps].some((x) => x.rank !== 2 || x.shape[1] !== 2))
    throw new ShapeError(
      `resample: pixels [P], lines [L, 2], taps [T, 2] and weights [W] are wanted, not ${[pixels, lines, taps, weights].map((x) => showShape(x.shape)).join(", ")}`,
    );
  return apply(RESAMPLE, [pixels, lines, taps, weights], { direction, width });
}
