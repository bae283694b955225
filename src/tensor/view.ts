import { rowMajor, type Shape, sameShape, sizeOf } from "./shape.ts";

/**
 * How a logical tensor reads a flat buffer: element at coordinates c is `buffer[offset + Σ c·strides]`, and zero
 * outside `bounds` (`[low, high)` per axis; absent where every element is inside).
 */
export interface View {
  readonly shape: Shape;
  readonly strides: readonly number[];
  readonly offset: number;
  readonly bounds?: readonly (readonly [number, number])[];
}

/** What a view op does to the coordinates of whatever it is applied to. */
export type ViewChange =
  | { readonly kind: "reshape"; readonly shape: Shape }
  | { readonly kind: "broadcast"; readonly shape: Shape }
  | { readonly kind: "transpose"; readonly perm: readonly number[] }
  | { readonly kind: "slice"; readonly starts: readonly number[]; readonly shape: Shape }
  | { readonly kind: "flip"; readonly axes: readonly number[] }
  | { readonly kind: "pad"; readonly before: readonly number[]; readonly shape: Shape };

export const contiguous = (shape: Shape): View => ({ shape, strides: rowMajor(shape), offset: 0 });

export function isContiguous(view: View): boolean {
  if (view.offset !== 0 || view.bounds) return false;
  const strides = rowMajor(view.shape);
  return view.shape.every((n, i) => n === 1 || view.strides[i] === strides[i]);
}

/** The view after a change, or undefined where no strided view can say it (the caller then copies first). */
export function changeView(view: View, change: ViewChange): View | undefined {
  switch (change.kind) {
    case "reshape":
      return reshapeView(view, change.shape);
    case "broadcast": {
      const lead = change.shape.length - view.shape.length;
      const widened = (i: number) => i < lead || view.shape[i - lead] !== change.shape[i];
      return {
        shape: change.shape,
        strides: change.shape.map((_, i) => (widened(i) ? 0 : view.strides[i - lead])),
        offset: view.offset,
        // a padded axis of extent 1 keeps its one verdict for every broadcast coordinate
        bounds: view.bounds && change.shape.map((n, i) => widenBounds(view, i - lead, n, widened(i))),
      };
    }
    case "transpose":
      return {
        shape: change.perm.map((p) => view.shape[p]),
        strides: change.perm.map((p) => view.strides[p]),
        offset: view.offset,
        bounds: view.bounds && change.perm.map((p) => view.bounds![p]),
      };
    case "slice":
      return {
        shape: change.shape,
        strides: view.strides,
        offset: view.offset + change.starts.reduce((sum, s, i) => sum + s * view.strides[i], 0),
        bounds:
          view.bounds &&
          clip(
            view.bounds,
            change.starts.map((s) => -s),
            change.shape,
          ),
      };
    case "flip":
      return {
        shape: view.shape,
        strides: view.strides.map((s, i) => (change.axes.includes(i) ? -s : s)),
        offset: view.offset + change.axes.reduce((sum, i) => sum + Math.max(0, view.shape[i] - 1) * view.strides[i], 0),
        bounds: view.bounds?.map(([low, high], i) =>
          change.axes.includes(i) ? ([view.shape[i] - high, view.shape[i] - low] as const) : ([low, high] as const),
        ),
      };
    case "pad": {
      const inner = view.bounds ?? view.shape.map((n) => [0, n] as const);
      return {
        shape: change.shape,
        strides: view.strides,
        offset: view.offset - change.before.reduce((sum, b, i) => sum + b * view.strides[i], 0),
        bounds: clip(inner, change.before, change.shape),
      };
    }
  }
}

function widenBounds(view: View, axis: number, extent: number, widened: boolean): readonly [number, number] {
  if (axis < 0) return [0, extent];
  const [low, high] = view.bounds![axis];
  if (!widened) return [low, high];
  return low <= 0 && high >= 1 ? [0, extent] : [0, 0];
}

const clip = (bounds: readonly (readonly [number, number])[], shift: readonly number[], shape: Shape) =>
  bounds.map(([low, high], i) => {
    const from = Math.min(Math.max(0, low + shift[i]), shape[i]);
    return [from, Math.max(from, Math.min(shape[i], high + shift[i]))] as const;
  });

/** Splits and merges axes where strides allow it. */
function reshapeView(view: View, shape: Shape): View | undefined {
  if (sameShape(view.shape, shape)) return view;
  if (view.bounds) return undefined;
  if (sizeOf(shape) === 0) return contiguous(shape);
  // merge the old axes into runs that are contiguous among themselves
  const runs: { extent: number; stride: number }[] = [];
  view.shape.forEach((extent, i) => {
    if (extent === 1) return;
    const last = runs.at(-1);
    if (last && last.stride === extent * view.strides[i]) {
      last.extent *= extent;
      last.stride = view.strides[i];
    } else runs.push({ extent, stride: view.strides[i] });
  });
  // hand the runs out to the new axes, innermost first
  const strides = new Array<number>(shape.length).fill(0);
  let run = runs.pop();
  let left = run?.extent ?? 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    const extent = shape[i];
    if (extent === 1) continue;
    if (left === 1) {
      run = runs.pop();
      left = run?.extent ?? 1;
    }
    if (!run || left % extent !== 0) return undefined;
    strides[i] = run.stride * (run.extent / left);
    left /= extent;
  }
  return { shape, strides, offset: view.offset };
}

/**
 * The axes of several views of one logical shape, merged wherever every one of them is contiguous across the border
 * (and none is bounded there): fewer axes mean fewer divisions in a kernel. Extents of 1 vanish.
 */
export function collapse(shape: Shape, views: readonly View[]): { shape: number[]; views: View[] } {
  const keep: number[][] = []; // groups of old axes, outermost first
  shape.forEach((extent, i) => {
    if (extent === 1 && views.every((v) => !v.bounds || (v.bounds[i][0] === 0 && v.bounds[i][1] === 1))) return;
    const group = keep.at(-1);
    const joins =
      group !== undefined &&
      views.every((v) => v.strides[group.at(-1)!] === extent * v.strides[i] && whole(v, group.at(-1)!) && whole(v, i));
    if (joins) group.push(i);
    else keep.push([i]);
  });
  const merged = keep.map((group) => group.reduce((n, i) => n * shape[i], 1));
  return {
    shape: merged,
    views: views.map((v) => ({
      shape: merged,
      strides: keep.map((group) => v.strides[group.at(-1)!]),
      offset: v.offset,
      bounds:
        v.bounds &&
        keep.map((group) =>
          group.length > 1 ? ([0, sizeOf(group.map((i) => shape[i]))] as const) : v.bounds![group[0]],
        ),
    })),
  };
}

const whole = (view: View, axis: number): boolean =>
  !view.bounds || (view.bounds[axis][0] === 0 && view.bounds[axis][1] === view.shape[axis]);
