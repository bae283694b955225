import type { Canvas } from "./canvas.ts";
import { jittered, type RGB } from "./colours.ts";
import { ripple } from "./noise.ts";
import type { Place } from "./places.ts";
import type { Random } from "./random.ts";
import { below, disc, ellipse, type Field, fract, placed, polygon, rectangle, region } from "./regions.ts";

/** A landscape with its sky drawn: `horizon` is the height at which the ground begins. */
type Landscape = {
  readonly canvas: Canvas;
  readonly random: Random;
  readonly horizon: number;
  /** Covers the ground. */
  ground(colour: RGB): void;
  /** Paints the part of the ground where `inside(x, nearness)` holds; nearness falls from about 8 at the horizon. */
  onGround(inside: Field<boolean>, colour: RGB): void;
  /** Multiplies the light on the ground, a function of x and the same perspective. */
  light(factor: Field): void;
};

const FROM_THE_SIDE: Readonly<Record<Place, (landscape: Landscape) => void>> = {
  forest({ canvas, random, horizon, ground }) {
    ground([0.3, 0.4, 0.18]);
    for (let tree = 0; tree < 7; tree++) {
      const x = random.uniform(-1, 1);
      const crown = polygon([x - 0.28, horizon + 0.05], [x, horizon + 0.85], [x + 0.28, horizon + 0.05]);
      canvas.paint(rectangle(x, horizon - 0.1, 0.05, 0.45), jittered(random, [0.35, 0.22, 0.12], 0.03));
      canvas.paint(crown, jittered(random, [0.1, 0.4, 0.15], 0.05));
    }
  },
  river({ random, ground, onGround }) {
    ground([0.35, 0.55, 0.25]);
    onGround((x, far) => Math.abs(x - 0.3 * Math.sin(far)) < 0.55 / far + 0.03, jittered(random, [0.25, 0.45, 0.7]));
  },
  lake({ canvas, random, horizon, ground }) {
    ground([0.3, 0.5, 0.25]);
    const mountains = polygon(
      [-1, horizon],
      [-0.4, horizon + 0.5],
      [0.1, horizon + 0.1],
      [0.5, horizon + 0.6],
      [1.1, horizon],
    );
    canvas.paint(mountains, jittered(random, [0.45, 0.45, 0.5]));
    canvas.paint(ellipse(0, horizon - 0.5, 0.9, 0.33), jittered(random, [0.25, 0.45, 0.75]));
  },
  highway({ random, ground, onGround }) {
    ground([0.4, 0.5, 0.25]);
    onGround((x, far) => Math.abs(x) < 0.75 / far, jittered(random, [0.35, 0.35, 0.37], 0.04));
    onGround((x, far) => Math.abs(x) < 0.06 / far && fract(1.2 * far) < 0.6, [0.95, 0.95, 0.9]);
  },
  village({ canvas, random, horizon, ground }) {
    ground([0.45, 0.5, 0.4]);
    for (const x of [-0.65, 0, 0.65]) {
      const frame = { x, y: horizon + 0.05, size: random.uniform(0.26, 0.33), rotation: 0 };
      const roof = polygon([-1, 0.2], [0, 1], [1, 0.2]);
      canvas.paint(placed(rectangle(0, -0.35, 0.7, 0.6), frame), jittered(random, [0.85, 0.75, 0.6], 0.08));
      canvas.paint(placed(roof, frame), jittered(random, [0.65, 0.25, 0.2], 0.07));
    }
  },
  factory({ canvas, random, horizon, ground }) {
    ground([0.4, 0.4, 0.4]);
    canvas.paint(rectangle(0.1, horizon + 0.05, 0.75, 0.3), jittered(random, [0.7, 0.66, 0.6], 0.05));
    for (const x of [-0.4, 0.1, 0.5]) {
      const chimney = rectangle(random.normal(x, 0.05), horizon + 0.38, 0.08, 0.28);
      canvas.paint(chimney, jittered(random, [0.5, 0.3, 0.25], 0.04));
      canvas.paint(disc(x + 0.15, horizon + 0.72, 0.13), [0.75, 0.75, 0.75]);
    }
  },
  field({ ground, light }) {
    ground([0.85, 0.7, 0.25]);
    light((x, far) => (fract(2 * x * far) < 0.35 ? 0.75 : 1));
  },
  pasture({ canvas, random, horizon, ground }) {
    ground([0.35, 0.7, 0.3]);
    for (let sheep = 0; sheep < 3; sheep++) {
      const [x, y] = [random.uniform(-0.8, 0.8), horizon - random.uniform(0.2, 0.6)];
      canvas.paint(ellipse(x, y, 0.16, 0.1), [0.95, 0.95, 0.95]);
    }
  },
  orchard({ canvas, random, horizon, ground }) {
    ground([0.45, 0.6, 0.25]);
    for (const row of [-0.7, -0.1, 0.5]) {
      const x = random.normal(row, 0.06);
      canvas.paint(rectangle(x, horizon - 0.25, 0.05, 0.3), jittered(random, [0.4, 0.25, 0.12], 0.03));
      canvas.paint(disc(x, horizon + 0.2, 0.32), jittered(random, [0.2, 0.5, 0.15], 0.04));
      for (let fruit = 0; fruit < 4; fruit++) {
        const [right, up] = [random.uniform(-0.2, 0.2), random.uniform(-0.2, 0.2)];
        canvas.paint(disc(x + right, horizon + 0.2 + up, 0.06), [0.85, 0.15, 0.1]);
      }
    }
  },
  sea({ ground, light }) {
    ground([0.1, 0.35, 0.65]);
    light((x, far) => (fract(2.5 * far + 0.2 * Math.sin(6 * x)) < 0.2 ? 1.5 : 1));
  },
};

/** Draws a place as a traveller sees it: sky, horizon, perspective. */
export function drawScene(canvas: Canvas, place: Place, random: Random): void {
  const horizon = random.uniform(-0.15, 0.3);
  const land = below(horizon);
  const perspective =
    <T>(field: Field<T>): Field<T> =>
    (x, y) =>
      field(x, 1 / Math.max(0.05, horizon - y + 0.12));
  canvas.fill(jittered(random, random.chance(0.8) ? [0.55, 0.75, 0.95] : [0.95, 0.7, 0.5], 0.06));
  canvas.add((_, y) => 0.15 * y);
  const ground = canvas.mask(land);
  FROM_THE_SIDE[place]({
    canvas,
    random,
    horizon,
    ground: (colour) => {
      canvas.paint(ground, jittered(random, colour));
      canvas.add(ripple(random, 6, 0.12), ground);
    },
    onGround: (inside, colour) => canvas.paint(region(perspective(inside), land.box), colour),
    light: (factor) => canvas.scale(perspective(factor), ground),
  });
}
