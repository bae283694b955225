import { gridFor } from "../codegen.ts";
import { ShapeError } from "../errors.ts";
import { type Attrs, defineOp, type Kernel } from "../op.ts";
import * as shaders from "../shaders.ts";
import { forEachIndex, type Shape, sizeOf } from "../shape.ts";
import { apply, type Tensor } from "../tensor.ts";
import { expectFloat, expectRank } from "./basic.ts";
import { mean } from "./reduce.ts";
import { reshape } from "./view.ts";

/** Windows over an image: `height` and `width` are the image's, `rows` and `columns` count the windows. */
export interface Windows {
  readonly height: number;
  readonly width: number;
  readonly sizeY: number;
  readonly sizeX: number;
  readonly stride: number;
  readonly padding: number;
  readonly rows: number;
  readonly columns: number;
}

export const windows = (attrs: Attrs): Windows => attrs as unknown as Windows;

/** Calls `visit(window element, image element)` for every pair that unfold copies. */
function forEachPair(w: Windows, images: number, visit: (from: number, to: number) => void): void {
  const shape = [images, w.sizeY, w.sizeX, w.rows, w.columns];
  forEachIndex(shape, ([n, p, q, i, j], flat) => {
    const y = i * w.stride + p - w.padding;
    const x = j * w.stride + q - w.padding;
    if (y < 0 || y >= w.height || x < 0 || x >= w.width) return;
    visit(flat, (n * w.height + y) * w.width + x);
  });
}

const windowKernel = (name: string, source: string): Kernel => ({
  name,
  source,
  params: ({ output, attrs }) => {
    const w = windows(attrs);
    return {
      COUNT: sizeOf(output.shape),
      H: w.height,
      W: w.width,
      SIZE_Y: w.sizeY,
      SIZE_X: w.sizeX,
      OUT_Y: w.rows,
      OUT_X: w.columns,
      STRIDE: w.stride,
      PADDING: w.padding,
      GRID: gridFor(sizeOf(output.shape))[0] * 64,
    };
  },
  workgroups: ({ output }) => gridFor(sizeOf(output.shape)),
});

export const UNFOLD = defineOp({
  name: "unfold",
  result: ([x], attrs) => {
    const w = windows(attrs);
    return { shape: [x.shape[0], x.shape[1], w.sizeY, w.sizeX, w.rows, w.columns], dtype: x.dtype };
  },
  reference: ([x], attrs, output) => {
    const out = new Float64Array(sizeOf(output.shape));
    forEachPair(windows(attrs), x.shape[0] * x.shape[1], (from, to) => {
      out[from] = x.data[to];
    });
    return out;
  },
  vjp: ({ g, attrs }) => apply(FOLD, [g], attrs),
  run: { kind: "kernel", kernels: [windowKernel("unfold", shaders.unfold)] },
});

export const FOLD = defineOp({
  name: "fold",
  result: ([x], attrs) => ({
    shape: [x.shape[0], x.shape[1], windows(attrs).height, windows(attrs).width],
    dtype: x.dtype,
  }),
  reference: ([x], attrs, output) => {
    const out = new Float64Array(sizeOf(output.shape));
    forEachPair(windows(attrs), x.shape[0] * x.shape[1], (from, to) => {
      out[to] += x.data[from];
    });
    return out;
  },
  vjp: ({ g, attrs }) => apply(UNFOLD, [g], attrs),
  run: { kind: "kernel", kernels: [windowKernel("fold", shaders.fold)] },
});

/** How windows step over an image. */
export interface WindowOptions {
  /** Step between windows, 1 where not given. */
  readonly stride?: number;
  /** Zeros on each side, 0 where not given. */
  readonly padding?: number;
}

export function windowAttrs(
  op: string,
  image: Shape,
  sizeY: number,
  sizeX: number,
  { stride = 1, padding = 0 }: WindowOptions,
): Attrs & Windows {
  const [height, width] = image.slice(2);
  const rows = Math.floor((height + 2 * padding - sizeY) / stride) + 1;
  const columns = Math.floor((width + 2 * padding - sizeX) / stride) + 1;
  if (
    ![sizeY, sizeX, stride].every((n) => Number.isInteger(n) && n >= 1) ||
    !Number.isInteger(padding) ||
    padding < 0
  ) {
    throw new ShapeError(
      `${op}: window ${sizeY}×${sizeX}, stride ${stride}, padding ${padding}; sizes and stride are whole numbers ≥ 1, padding ≥ 0`,
    );
  }
  if (rows < 1 || columns < 1)
    throw new ShapeError(
      `${op}: a window of ${sizeY}×${sizeX} does not fit an image of ${height}×${width} with padding ${padding}`,
    );
  return { height, width, sizeY, sizeX, stride, padding, rows, columns };
}

/**
 * All windows of a batch of images.
 *
 * @param x [N, C, H, W]
 * @returns [N, C, sizeY, sizeX, rows, columns]
 * @throws ShapeError where a window does not fit the image
 * @example unfold(zeros([1, 3, 4, 4]), [2, 2]).shape // [1, 3, 2, 2, 3, 3]
 */
export function unfold(x: Tensor, size: readonly [number, number], options: WindowOptions = {}): Tensor {
  expectRank("unfold", x, 4);
  expectFloat("unfold", x);
  return apply(UNFOLD, [x], windowAttrs("unfold", x.shape, size[0], size[1], options));
}

/**
 * Average over windows that tile the image; rows and columns left over at the end are dropped.
 *
 * @param x [N, C, H, W]
 * @returns [N, C, rows, columns]
 * @example avgPool2d(tensor([[[[1, 2], [3, 4]]]]), 2) // [2.5]
 */
export function avgPool2d(x: Tensor, size: number, options: WindowOptions = {}): Tensor {
  expectRank("avgPool2d", x, 4);
  expectFloat("avgPool2d", x);
  const [n, c, height, width] = x.shape;
  const { stride = size, padding = 0 } = options;
  const attrs = windowAttrs("avgPool2d", x.shape, size, size, { stride, padding });
  if (stride === size && padding === 0 && height % size === 0 && width % size === 0 && height * width > 0)
    return mean(reshape(x, [n, c, height / size, size, width / size, size]), [3, 5]); // just another way to read it
  return mean(apply(UNFOLD, [x], attrs), [2, 3]);
}
