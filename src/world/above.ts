import type { Canvas } from "./canvas.ts";
import { jittered, type RGB } from "./colours.ts";
import { ripple } from "./noise.ts";
import type { Place } from "./places.ts";
import type { Random } from "./random.ts";
import { type Field, type Frame, fract, inFrame, placed, type Region, rectangle, region } from "./regions.ts";

/** A piece of land seen from the sky, already covered with earth or grass; `put` paints what lies on it. */
type Land = {
  readonly canvas: Canvas;
  readonly random: Random;
  readonly frame: Frame;
  put(where: Region | Field<boolean>, colour: RGB): void;
};

const CROPS: readonly RGB[] = [
  [0.75, 0.65, 0.3],
  [0.45, 0.55, 0.2],
  [0.55, 0.4, 0.22],
  [0.65, 0.6, 0.35],
  [0.35, 0.5, 0.2],
];

const FROM_ABOVE: Readonly<Record<Place, (land: Land) => void>> = {
  forest({ canvas, random }) {
    canvas.fill(jittered(random, [0.1, 0.32, 0.14], 0.04));
    canvas.add(ripple(random, 11, 0.35));
  },
  river({ random, put }) {
    const bend = random.uniform(1.5, 4);
    const width = random.uniform(0.12, 0.22);
    put((u, v) => Math.abs(v + 0.35 * Math.sin(u * bend)) < width, jittered(random, [0.2, 0.35, 0.55]));
  },
  lake({ random, put }) {
    const shore = ripple(random, 2, 0.5);
    const radius = random.uniform(0.4, 0.65);
    put((u, v) => Math.sqrt(u * u + 1.69 * v * v) + shore(u, v) < radius, jittered(random, [0.12, 0.28, 0.5]));
  },
  highway({ random, put }) {
    put((_, v) => Math.abs(v) < 0.17, jittered(random, [0.45, 0.45, 0.47], 0.04));
    put((u, v) => Math.abs(v) < 0.03 && fract(4 * u) < 0.6, [0.9, 0.9, 0.85]);
  },
  village({ random, put }) {
    const density = random.uniform(2, 2.8);
    put((u) => fract(0.5 * density * u) < 0.15, jittered(random, [0.55, 0.55, 0.55], 0.04));
    put(
      (u, v) => Math.abs(fract(density * u) - 0.55) < 0.24 && Math.abs(fract(density * v) - 0.5) < 0.27,
      jittered(random, [0.7, 0.35, 0.25], 0.08),
    );
  },
  factory({ canvas, random, put }) {
    canvas.fill(jittered(random, [0.5, 0.5, 0.5], 0.05));
    canvas.add(ripple(random, 6, 0.1));
    for (let hall = 0; hall < 3; hall++) {
      const [x, y] = [random.uniform(-0.8, 0.8), random.uniform(-0.8, 0.8)];
      const [width, depth] = [random.uniform(0.2, 0.45), random.uniform(0.15, 0.35)];
      put(rectangle(x, y, width, depth), jittered(random, [0.82, 0.84, 0.88], 0.08));
    }
  },
  field({ canvas, random, frame, put }) {
    const density = random.uniform(0.8, 1.3);
    const crop = (u: number, v: number): number => {
      const number = (7 * Math.floor(density * u) + 3 * Math.floor(density * v)) % CROPS.length;
      return number < 0 ? number + CROPS.length : number;
    };
    CROPS.forEach((colour, i) => {
      put((u, v) => crop(u, v) === i, jittered(random, colour, 0.05));
    });
    const furrow: Field = (u, v) => (fract(7 * (crop(u, v) % 2 ? u : v)) < 0.4 ? 0.85 : 1);
    canvas.scale(inFrame(furrow, frame));
  },
  pasture({ canvas, random }) {
    canvas.fill(jittered(random, [0.45, 0.65, 0.3], 0.06));
    canvas.add(ripple(random, 6, 0.07));
    canvas.add(ripple(random, 2, 0.12));
  },
  orchard({ canvas, random, put }) {
    const density = random.uniform(3, 4.2);
    canvas.fill(jittered(random, [0.55, 0.48, 0.32], 0.06));
    canvas.add(ripple(random, 6, 0.08));
    put(
      (u, v) => (fract(density * u) - 0.5) ** 2 + (fract(density * v) - 0.5) ** 2 < 0.34 ** 2,
      jittered(random, [0.2, 0.42, 0.15], 0.05),
    );
  },
  sea({ canvas, random }) {
    canvas.fill(jittered(random, [0.08, 0.22, 0.42], 0.06));
    canvas.add(ripple(random, 6, 0.08));
    canvas.add(ripple(random, 2, 0.1));
  },
};

/** Draws a place as a satellite sees it: no up or down, any rotation. */
export function drawFromAbove(canvas: Canvas, place: Place, random: Random): void {
  const frame = {
    x: random.normal(0, 0.2),
    y: random.normal(0, 0.2),
    size: 1,
    rotation: random.uniform(0, 2 * Math.PI),
  };
  canvas.fill(jittered(random, random.chance(0.5) ? [0.35, 0.5, 0.25] : [0.5, 0.45, 0.3], 0.06));
  canvas.add(ripple(random, 6, 0.15));
  FROM_ABOVE[place]({
    canvas,
    random,
    frame,
    put: (where, colour) =>
      canvas.paint(typeof where === "function" ? region(inFrame(where, frame)) : placed(where, frame), colour),
  });
}
