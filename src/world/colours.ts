import type { Random } from "./random.ts";

/** Red, green and blue in 0 … 1. */
export type RGB = readonly [number, number, number];

export type Colour = keyof typeof COLOURS;

export const COLOURS = {
  red: [0.85, 0.12, 0.12],
  orange: [0.95, 0.55, 0.1],
  yellow: [0.95, 0.88, 0.15],
  green: [0.15, 0.65, 0.2],
  blue: [0.15, 0.25, 0.85],
  purple: [0.5, 0.15, 0.65],
  pink: [0.98, 0.6, 0.75],
  brown: [0.5, 0.3, 0.12],
  white: [0.95, 0.95, 0.95],
  black: [0.07, 0.07, 0.07],
} as const satisfies Record<string, RGB>;

export const COLOUR_NAMES = Object.keys(COLOURS) as readonly Colour[];

/** The smallest distance (sum over the channels) at which two colours are told apart at a glance. */
const CONTRAST = 0.7;

const CONTRASTING = Object.fromEntries(
  COLOUR_NAMES.map((name) => [
    name,
    COLOUR_NAMES.filter((other) => distance(COLOURS[name], COLOURS[other]) > CONTRAST),
  ]),
) as Record<Colour, Colour[]>;

/** The colours that stand out against `colour`. */
export function contrastingColours(colour: Colour): readonly Colour[] {
  return CONTRASTING[colour];
}

/** A colour as it happens to be in one picture: every channel moved by N(0, spread). */
export function jittered(random: Random, colour: Colour | RGB, spread = 0.07): RGB {
  const [r, g, b] = typeof colour === "string" ? COLOURS[colour] : colour;
  return [clamp(random.normal(r, spread)), clamp(random.normal(g, spread)), clamp(random.normal(b, spread))];
}

/** `colour · factor + offset`, clamped to 0 … 1. */
export function tinted([r, g, b]: RGB, factor: number, offset = 0): RGB {
  return [clamp(r * factor + offset), clamp(g * factor + offset), clamp(b * factor + offset)];
}

function clamp(value: number): number {
  return Math.min(1, Math.max(0, value));
}

function distance(a: RGB, b: RGB): number {
  return Math.abs(a[0] - b[0]) + Math.abs(a[1] - b[1]) + Math.abs(a[2] - b[2]);
}
