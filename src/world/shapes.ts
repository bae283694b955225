import {
  below,
  difference,
  disc,
  ellipse,
  intersection,
  type Point,
  polygon,
  type Region,
  rectangle,
  region,
  union,
} from "./regions.ts";

export type Shape = keyof typeof SHAPES;

/** The things of the world, each drawn around the origin with half-size one. */
export const SHAPES = {
  ball: disc(0, 0, 0.85),
  box: rectangle(0, 0, 0.75, 0.75),
  triangle: polygon([0, 0.9], [0.85, -0.7], [-0.85, -0.7]),
  star: polygon(...starPoints(5, 0.95, 0.4)),
  heart: region(
    (x, y) => {
      const u = 1.25 * x;
      const v = 1.25 * y + 0.1;
      return (u * u + v * v - 0.7) ** 3 < 1.3 * u * u * v * v * v;
    },
    [-1, -1, 1, 1],
  ),
  cross: union(rectangle(0, 0, 0.27, 0.88), rectangle(0, 0, 0.88, 0.27)),
  ring: difference(disc(0, 0, 0.88), disc(0, 0, 0.5)),
  moon: difference(disc(0, 0, 0.88), disc(0.42, 0.1, 0.72)),
  arrow: union(rectangle(-0.25, 0, 0.6, 0.2), polygon([0.2, 0.65], [0.95, 0], [0.2, -0.65])),
  house: union(rectangle(0, -0.35, 0.62, 0.5), polygon([-0.9, 0.1], [0, 0.92], [0.9, 0.1])),
  tree: union(rectangle(0, -0.6, 0.13, 0.35), disc(0, 0.25, 0.62)),
  fish: union(ellipse(-0.15, 0, 0.71, 0.4), polygon([0.4, 0], [0.92, 0.5], [0.92, -0.5])),
  boat: union(
    polygon([-0.9, -0.3], [0.9, -0.3], [0.55, -0.8], [-0.55, -0.8]),
    polygon([-0.05, -0.2], [-0.05, 0.9], [0.7, -0.2]),
  ),
  cup: union(
    rectangle(-0.15, 0, 0.5, 0.65),
    intersection(rectangle(0.8, 0, 0.5, 0.5), difference(disc(0.45, 0, 0.45), disc(0.45, 0, 0.25))),
  ),
  cloud: union(disc(-0.45, -0.1, 0.42), disc(0.05, 0.15, 0.5), disc(0.5, -0.1, 0.4), rectangle(0, -0.3, 0.5, 0.22)),
  mushroom: union(difference(disc(0, 0, 0.82), below(0)), rectangle(0, -0.4, 0.25, 0.42)),
} satisfies Record<string, Region>;

export const SHAPE_NAMES = Object.keys(SHAPES) as readonly Shape[];

function starPoints(tips: number, outer: number, inner: number): Point[] {
  return Array.from({ length: 2 * tips }, (_, i) => {
    const radius = i % 2 === 0 ? outer : inner;
    return [radius * Math.sin((Math.PI * i) / tips), radius * Math.cos((Math.PI * i) / tips)];
  });
}
