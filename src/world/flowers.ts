import type { Canvas } from "./canvas.ts";
import { type Colour, jittered } from "./colours.ts";
import { ripple } from "./noise.ts";
import type { Random } from "./random.ts";
import { disc, inFrame, placed, region } from "./regions.ts";

/** A species: how many petals, their colour, that of the centre, and how pointed they are (0.3 round … 1.2 narrow). */
type Species = {
  readonly petals: number;
  readonly colour: Colour;
  readonly centre: Colour;
  readonly pointed: number;
};

export type Flower = keyof typeof SPECIES;

const SPECIES = {
  daisy: { petals: 10, colour: "white", centre: "yellow", pointed: 0.6 },
  poppy: { petals: 4, colour: "red", centre: "black", pointed: 0.35 },
  aster: { petals: 10, colour: "purple", centre: "yellow", pointed: 0.6 },
  violet: { petals: 5, colour: "purple", centre: "white", pointed: 0.5 },
  marigold: { petals: 8, colour: "orange", centre: "brown", pointed: 0.35 },
  lily: { petals: 6, colour: "white", centre: "orange", pointed: 1.2 },
  lotus: { petals: 8, colour: "pink", centre: "yellow", pointed: 0.8 },
  dahlia: { petals: 10, colour: "red", centre: "orange", pointed: 0.4 },
  primrose: { petals: 5, colour: "yellow", centre: "orange", pointed: 0.4 },
  sunflower: { petals: 10, colour: "yellow", centre: "brown", pointed: 0.7 },
  iris: { petals: 3, colour: "blue", centre: "yellow", pointed: 0.5 },
  anemone: { petals: 5, colour: "blue", centre: "black", pointed: 0.4 },
  peony: { petals: 6, colour: "pink", centre: "pink", pointed: 0.35 },
  tulip: { petals: 3, colour: "red", centre: "yellow", pointed: 0.4 },
} as const satisfies Record<string, Species>;

export const FLOWERS: Readonly<Record<Flower, Species>> = SPECIES;

export const FLOWER_NAMES = Object.keys(FLOWERS) as readonly Flower[];

/** Radius up to which the blossom is closed whatever its petals, and how far they reach. */
const CORE = 0.2;
const REACH = 0.95;

export function drawFlower(canvas: Canvas, flower: Flower, random: Random): void {
  const { petals, colour, centre, pointed } = FLOWERS[flower];
  const frame = {
    x: random.normal(0, 0.15),
    y: random.normal(0, 0.15),
    size: random.uniform(0.6, 0.95),
    rotation: random.uniform(0, 2 * Math.PI),
  };
  canvas.fill(jittered(random, [0.2, 0.45, 0.2]));
  canvas.add(ripple(random, 4, 0.3));
  const blossom = region(
    (x, y) => {
      const radius = Math.sqrt(x * x + y * y);
      if (radius < CORE) return true;
      if (radius > REACH) return false;
      const petal = (petals * Math.atan2(y, x)) / (2 * Math.PI);
      const swell = Math.max(0, Math.cos(Math.PI * (petal - Math.round(petal))));
      return radius < REACH * swell ** pointed;
    },
    [-REACH, -REACH, REACH, REACH],
  );
  const mask = canvas.mask(placed(blossom, frame));
  canvas.paint(mask, jittered(random, colour));
  canvas.scale(
    inFrame((x, y) => 1 - 0.25 * Math.sqrt(x * x + y * y), frame),
    mask,
  );
  canvas.paint(placed(disc(0, 0, random.uniform(0.2, 0.3)), frame), jittered(random, centre));
}
