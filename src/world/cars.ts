import type { Canvas } from "./canvas.ts";
import { type Colour, jittered, type RGB } from "./colours.ts";
import type { Random } from "./random.ts";
import { below, disc, placed, polygon, type Region, rectangle } from "./regions.ts";

type Roof = keyof typeof ROOFS;

/** What stands on the body of a car of half-length `length`: its outline and its windows, and how one says it. */
export const ROOFS = {
  square: {
    words: "a square roof",
    outline: (length: number) => rectangle(-0.1, 0.2, 0.6 * length, 0.2),
    window: (length: number) => rectangle(-0.1, 0.2, 0.5 * length, 0.12),
  },
  tall: {
    words: "a tall roof",
    outline: (length: number) => rectangle(-0.15, 0.35, 0.8 * length, 0.35),
    window: (length: number) => rectangle(0.15, 0.4, 0.35 * length, 0.15),
  },
  sloped: {
    words: "a sloped roof",
    outline: (length: number) => polygon([-0.8 * length, 0.04], [-0.2, 0.4], [0.25, 0.4], [0.6 * length, 0.04]),
    window: (length: number) => polygon([-0.4 * length, 0.06], [-0.15, 0.3], [0.2, 0.3], [0.35 * length, 0.06]),
  },
  open: {
    words: "no roof",
    outline: undefined,
    window: () => rectangle(0.2, 0.12, 0.04, 0.1),
  },
  cabin: {
    words: "a small cabin",
    outline: (length: number) => rectangle(0.55 * length, 0.2, 0.28, 0.2),
    window: (length: number) => rectangle(0.6 * length, 0.22, 0.16, 0.1),
  },
} satisfies Record<string, { words: string; outline?: (length: number) => Region; window: (length: number) => Region }>;

export type Length = keyof typeof LENGTHS;

/** Half the length of a car. */
export const LENGTHS = { short: 0.55, long: 0.9 };

type Model = { readonly length: Length; readonly roof: Roof; readonly wheels: 2 | 3 };

export type Car = keyof typeof MODELS;

const MODELS = {
  tera: { length: "short", roof: "square", wheels: 2 },
  luma: { length: "long", roof: "square", wheels: 2 },
  vero: { length: "short", roof: "tall", wheels: 2 },
  kilo: { length: "long", roof: "tall", wheels: 2 },
  sola: { length: "short", roof: "sloped", wheels: 2 },
  riva: { length: "long", roof: "sloped", wheels: 2 },
  nova: { length: "short", roof: "open", wheels: 2 },
  dex: { length: "long", roof: "open", wheels: 2 },
  axel: { length: "long", roof: "cabin", wheels: 3 },
  grum: { length: "long", roof: "tall", wheels: 3 },
  pico: { length: "short", roof: "cabin", wheels: 2 },
  orion: { length: "long", roof: "cabin", wheels: 2 },
} as const satisfies Record<string, Model>;

export const CARS: Readonly<Record<Car, Model>> = MODELS;

export const CAR_NAMES = Object.keys(CARS) as readonly Car[];

const GLASS: RGB = [0.3, 0.35, 0.45];
const TYRE: RGB = [0.06, 0.06, 0.06];
const HUB: RGB = [0.7, 0.7, 0.7];

export function drawCar(canvas: Canvas, car: Car, colour: Colour, random: Random): void {
  const { length: size, roof, wheels } = CARS[car];
  const length = LENGTHS[size];
  const { outline, window } = ROOFS[roof];
  canvas.fill(jittered(random, [0.7, 0.75, 0.8], 0.08));
  canvas.paint(below(random.uniform(-0.5, -0.3)), jittered(random, [0.4, 0.4, 0.4], 0.05));
  const frame = {
    x: random.normal(0, 0.1),
    y: random.normal(-0.1, 0.12),
    size: random.uniform(0.75, 0.95),
    rotation: random.normal(0, 0.05),
  };
  const paint = jittered(random, colour);
  canvas.paint(placed(rectangle(0, -0.15, length, 0.2), frame), paint);
  if (outline) canvas.paint(placed(outline(length), frame), paint);
  canvas.paint(placed(window(length), frame), GLASS);
  for (let wheel = 0; wheel < wheels; wheel++) {
    const x = 0.65 * length * ((2 * wheel) / (wheels - 1) - 1);
    canvas.paint(placed(disc(x, -0.36, 0.19), frame), TYRE);
    canvas.paint(placed(disc(x, -0.36, 0.08), frame), HUB);
  }
}
