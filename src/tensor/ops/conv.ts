import { promote } from "../dtype.ts";
import { ShapeError } from "../errors.ts";
import { type Aval, defineOp, type Kernel, type Op } from "../op.ts";
import * as shaders from "../shaders.ts";
import { showShape, sizeOf } from "../shape.ts";
import { apply, type Tensor } from "../tensor.ts";
import { expectFloat, expectRank } from "./basic.ts";
import { cast } from "./elementwise.ts";
import { matmul } from "./matmul.ts";
import { sum } from "./reduce.ts";
import { flip, reshape, swapAxes, transpose } from "./view.ts";
import { FOLD, UNFOLD, type WindowOptions, windowAttrs, windows } from "./window.ts";

/** Numbers in one filter. */
const placesOf = (weight: Aval): number => sizeOf(weight.shape.slice(1));

/** A kernel of which a workgroup computes `tile` channels and pixels of one image. */
const kernel = (
  name: string,
  source: string,
  { tile: [channels, pixels], ...rest }: Partial<Kernel> & { tile: readonly [number, number] },
): Kernel => ({
  name,
  source,
  params: ({ inputs: [x, weight], attrs }) => {
    const w = windows(attrs);
    return {
      C: x.shape[1],
      H: w.height,
      W: w.width,
      O: weight.shape[0],
      SIZE_Y: w.sizeY,
      SIZE_X: w.sizeX,
      OUT_Y: w.rows,
      OUT_X: w.columns,
      STRIDE: w.stride,
      PADDING: w.padding,
    };
  },
  workgroups: ({ output: { shape } }) => [
    Math.ceil((shape[2] * shape[3]) / pixels),
    Math.ceil(shape[1] / channels),
    shape[0],
  ],
  cost: ({ inputs: [, weight], output: { shape } }) => ({ flops: 2 * sizeOf(shape) * placesOf(weight) }),
  ...rest,
});

/** (x [N, C, H, W], weight [O, C, kh, kw]) → [N, O, rows, columns]. */
const CONV2D: Op = defineOp({
  name: "conv2d",
  result: ([x, weight], attrs) => {
    const { rows, columns } = windows(attrs);
    return { shape: [x.shape[0], weight.shape[0], rows, columns], dtype: x.dtype };
  },
  vjp: ({ g, wrt, inputs: [x, weight], attrs }) => {
    const { sizeY, sizeX, stride, padding, rows, columns } = windows(attrs);
    const [n, c] = x.shape;
    const [o] = weight.shape;
    const flat = reshape(g, [n, o, rows * columns]);
    if (wrt === 1) {
      const patches = reshape(apply(UNFOLD, [x], attrs), [n, c * sizeY * sizeX, rows * columns]);
      return reshape(sum(matmul(flat, patches, { transposeB: true }), 0), weight.shape);
    }
    if (stride === 1 && sizeY === sizeX && padding < sizeY) {
      // every pixel was in as many windows as the filter has places: the transpose is a convolution too
      return conv2d(g, swapAxes(flip(weight, [2, 3]), 0, 1), { padding: sizeY - 1 - padding });
    }
    const filter = reshape(weight, [o, c * sizeY * sizeX]);
    const patches = matmul(filter, flat, { transposeA: true });
    return apply(FOLD, [reshape(patches, [n, c, sizeY, sizeX, rows, columns])], attrs);
  },
  run: {
    kind: "kernel",
    kernels: [
      kernel("conv2d-lanes", shaders.conv2dLanes, {
        tile: [32, 32],
        subgroup: 8,
        fits: ({ inputs: [, weight] }) => placesOf(weight) % 4 === 0,
        suits: ({ output }, adapter) => adapter === "software" && output.shape[1] >= 16,
      }),
      kernel("conv2d", shaders.conv2d, { tile: [8, 64] }),
    ],
    composed: ([x, weight], attrs) => {
      const { sizeY, sizeX, rows, columns } = windows(attrs);
      const [n, c] = x.shape;
      const [o] = weight.shape;
      const patches = reshape(apply(UNFOLD, [x], attrs), [n, c * sizeY * sizeX, rows * columns]);
      return reshape(matmul(reshape(weight, [o, c * sizeY * sizeX]), patches), [n, o, rows, columns]);
    },
  },
});

/**
 * Two-dimensional convolution (cross-correlation, as in neural networks).
 *
 * @param x [N, C, H, W]
 * @param weight [O, C, kh, kw]
 * @returns [N, O, rows, columns]
 * @throws ShapeError where the channels differ or the window does not fit the image
 * @example conv2d(ones([1, 1, 3, 3]), ones([1, 1, 2, 2])) // [4, 4, 4, 4]
 */
export function conv2d(x: Tensor, weight: Tensor, options: WindowOptions = {}): Tensor {
  expectRank("conv2d", x, 4);
  expectRank("conv2d", weight, 4);
  expectFloat("conv2d", x);
  const [n, c] = x.shape;
  const [o, channels, kh, kw] = weight.shape;
  if (c !== channels)
    throw new ShapeError(
      `conv2d: the image ${showShape(x.shape)} has ${c} channels, the weight ${showShape(weight.shape)} takes ${channels}`,
    );
  const { stride = 1, padding = 0 } = options;
  const dtype = promote("conv2d", x.dtype, weight.dtype);
  const [height, width] = x.shape.slice(2);
  if (kh * kw * stride === 1 && padding === 0) {
    // a matrix product with the pixels of each image, for which matmul has better kernels where it can read four at once
    if ((height * width) % 4 === 0) {
      const flat = matmul(reshape(weight, [o, c]), reshape(x, [n, c, height * width]));
      return reshape(flat, [n, o, height, width]);
    }
  } else if (padding === 0 && stride === kh && kh === kw && height % kh === 0 && width % kw === 0) {
    // windows that tile the image are just another way to read it
    const [rows, columns] = [height / kh, width / kw];
    const tiles = transpose(reshape(x, [n, c, rows, kh, columns, kw]), [0, 2, 4, 1, 3, 5]);
    const filter = reshape(weight, [o, c * kh * kw]);
    const y = matmul(reshape(tiles, [n * rows * columns, c * kh * kw]), filter, { transposeB: true });
    return transpose(reshape(y, [n, rows, columns, o]), [0, 3, 1, 2]);
  }
  return apply(CONV2D, [cast(x, dtype), cast(weight, dtype)], windowAttrs("conv2d", x.shape, kh, kw, options));
}
