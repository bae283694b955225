/** A function of a point of the plane; a picture shows [−1, 1]², y upwards. */
export type Field<T = number> = (x: number, y: number) => T;

/** left, bottom, right, top */
export type Box = readonly [number, number, number, number];

/** A set of points, and a box outside which it has none (so that small regions are cheap to paint). */
export type Region = { readonly inside: Field<boolean>; readonly box: Box };

/** Where a drawing made around the origin goes: turned by `rotation` (radians), scaled to half-size `size`, moved. */
export type Frame = {
  readonly x: number;
  readonly y: number;
  readonly size: number;
  readonly rotation: number;
  readonly mirrored?: boolean;
};

export type Point = readonly [number, number];

const EVERYWHERE: Box = [-99, -99, 99, 99];

export function region(inside: Field<boolean>, box = EVERYWHERE): Region {
  return { inside, box };
}

export function below(height: number): Region {
  return region((_, y) => y < height, [-99, -99, 99, height]);
}

export function ellipse(cx: number, cy: number, rx: number, ry: number): Region {
  return region((x, y) => ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1, around(cx, cy, rx, ry));
}

export function disc(cx: number, cy: number, radius: number): Region {
  return region((x, y) => (x - cx) ** 2 + (y - cy) ** 2 < radius * radius, around(cx, cy, radius, radius));
}

/** Axis-aligned, given by its centre and half its width and height. */
export function rectangle(cx: number, cy: number, halfWidth: number, halfHeight: number): Region {
  return region(
    (x, y) => Math.abs(x - cx) < halfWidth && Math.abs(y - cy) < halfHeight,
    around(cx, cy, halfWidth, halfHeight),
  );
}

/** Even-odd interior of a closed polygon. */
export function polygon(...points: Point[]): Region {
  const xs = Float64Array.from(points, (point) => point[0]);
  const ys = Float64Array.from(points, (point) => point[1]);
  const inside = (x: number, y: number): boolean => {
    let odd = false;
    for (let i = 0, j = xs.length - 1; i < xs.length; j = i++) {
      if (ys[i] > y !== ys[j] > y && x < ((xs[j] - xs[i]) * (y - ys[i])) / (ys[j] - ys[i]) + xs[i]) odd = !odd;
    }
    return odd;
  };
  return region(inside, [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)]);
}

/** The points closer than `width` to the straight line between two points. */
export function stroke([ax, ay]: Point, [bx, by]: Point, width: number): Region {
  const dx = bx - ax;
  const dy = by - ay;
  const length = dx * dx + dy * dy + 1e-9;
  const inside = (x: number, y: number): boolean => {
    const along = Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / length));
    return (x - ax - along * dx) ** 2 + (y - ay - along * dy) ** 2 < width * width;
  };
  const box = around((ax + bx) / 2, (ay + by) / 2, Math.abs(dx) / 2 + width, Math.abs(dy) / 2 + width);
  return region(inside, box);
}

export function union(...parts: Region[]): Region {
  const box: Box = [
    Math.min(...parts.map((part) => part.box[0])),
    Math.min(...parts.map((part) => part.box[1])),
    Math.max(...parts.map((part) => part.box[2])),
    Math.max(...parts.map((part) => part.box[3])),
  ];
  const inside = (x: number, y: number): boolean => {
    for (let i = 0; i < parts.length; i++) if (parts[i].inside(x, y)) return true;
    return false;
  };
  return region(inside, box);
}

export function intersection(a: Region, b: Region): Region {
  return region((x, y) => a.inside(x, y) && b.inside(x, y), a.box);
}

export function difference(a: Region, b: Region): Region {
  return region((x, y) => a.inside(x, y) && !b.inside(x, y), a.box);
}

/** `field`, drawn around the origin, as seen from the picture when it stands in `frame`. */
export function inFrame<T>(field: Field<T>, frame: Frame): Field<T> {
  const cos = Math.cos(frame.rotation) / frame.size;
  const sin = Math.sin(frame.rotation) / frame.size;
  const side = frame.mirrored ? -1 : 1;
  return (x, y) => {
    const dx = x - frame.x;
    const dy = y - frame.y;
    return field(side * (dx * cos + dy * sin), dy * cos - dx * sin);
  };
}

/** `shape`, drawn around the origin, put into `frame`. */
export function placed(shape: Region, frame: Frame): Region {
  const [left, bottom, right, top] = shape.box;
  const cos = Math.cos(frame.rotation) * frame.size;
  const sin = Math.sin(frame.rotation) * frame.size;
  const side = frame.mirrored ? -1 : 1;
  const xs: number[] = [];
  const ys: number[] = [];
  for (const u of [side * left, side * right]) {
    for (const v of [bottom, top]) {
      xs.push(frame.x + u * cos - v * sin);
      ys.push(frame.y + u * sin + v * cos);
    }
  }
  return region(inFrame(shape.inside, frame), [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)]);
}

/** The part after the point, in [0, 1), for negative numbers too: the base of every repeating pattern. */
export function fract(value: number): number {
  return value - Math.floor(value);
}

function around(cx: number, cy: number, halfWidth: number, halfHeight: number): Box {
  return [cx - halfWidth, cy - halfHeight, cx + halfWidth, cy + halfHeight];
}
