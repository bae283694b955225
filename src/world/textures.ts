import { valueNoise } from "./noise.ts";
import type { Random } from "./random.ts";
import { type Field, fract } from "./regions.ts";

/** How a surface is patterned: where its second colour goes, one period per unit of length. */
type TextureKind = {
  /** A rarer word for the same pattern. */
  readonly synonym: string;
  /** Whether gravity keeps it level: then it is never turned far. */
  readonly upright?: boolean;
  pattern(random: Random): Field<boolean>;
};

const KINDS = {
  striped: { synonym: "banded", pattern: () => (u) => fract(u) < 0.5 },
  dotted: { synonym: "spotted", pattern: () => (u, v) => (fract(u) - 0.5) ** 2 + (fract(v) - 0.5) ** 2 < 0.3 ** 2 },
  checked: { synonym: "chequered", pattern: () => (u, v) => ((Math.floor(u) + Math.floor(v)) & 1) === 0 },
  grid: { synonym: "meshed", pattern: () => (u, v) => fract(u) < 0.2 || fract(v) < 0.2 },
  zigzag: { synonym: "jagged", pattern: () => (u, v) => fract(v + 1.6 * Math.abs(fract(0.7 * u) - 0.5)) < 0.5 },
  brick: {
    synonym: "tiled",
    upright: true,
    pattern: () => (u, v) => fract(v) < 0.18 || fract(0.6 * u + 0.5 * (Math.floor(v) & 1)) < 0.11,
  },
  scaly: {
    synonym: "plated",
    upright: true,
    pattern: () => (u, v) => {
      const squared = (fract(u + 0.5 * (Math.floor(v) & 1)) - 0.5) ** 2 + (fract(v) - 0.1) ** 2;
      return squared > 0.42 ** 2 && squared < 0.62 ** 2;
    },
  },
  blotchy: {
    synonym: "stained",
    pattern: (random) => {
      const noise = valueNoise(random);
      return (u, v) => noise(0.9 * u, 0.9 * v) > 0.5;
    },
  },
} satisfies Record<string, TextureKind>;

export type Texture = keyof typeof KINDS;

export const TEXTURES: Readonly<Record<Texture, TextureKind>> = KINDS;

export const TEXTURE_NAMES = Object.keys(TEXTURES) as readonly Texture[];

/** The pattern, shifted by a random part of its period. */
export function textured(texture: Texture, random: Random): Field<boolean> {
  const pattern = TEXTURES[texture].pattern(random);
  const u = random.uniform();
  const v = random.uniform();
  return (x, y) => pattern(x + u, y + v);
}
