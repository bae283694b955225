import type { Random } from "./random.ts";
import type { Field } from "./regions.ts";

const PERIOD = 16;

/** Smooth value noise in [0, 1): random heights on the whole-number lattice (repeating every 16), eased in between. */
export function valueNoise(random: Random): Field {
  const heights = new Float32Array(PERIOD * PERIOD);
  for (let i = 0; i < heights.length; i++) heights[i] = random.uniform();
  return (x, y) => {
    const column = Math.floor(x);
    const row = Math.floor(y);
    const west = column & (PERIOD - 1);
    const east = (column + 1) & (PERIOD - 1);
    const south = (row & (PERIOD - 1)) * PERIOD;
    const north = ((row + 1) & (PERIOD - 1)) * PERIOD;
    const s = ease(x - column);
    const t = ease(y - row);
    const low = heights[south + west] * (1 - s) + heights[south + east] * s;
    const high = heights[north + west] * (1 - s) + heights[north + east] * s;
    return low * (1 - t) + high * t;
  };
}

/** Noise around zero, in [−amount/2, amount/2), with `frequency` lattice cells per unit of length. */
export function ripple(random: Random, frequency: number, amount: number, frequencyY = frequency): Field {
  const noise = valueNoise(random);
  return (x, y) => amount * (noise(x * frequency, y * frequencyY) - 0.5);
}

function ease(t: number): number {
  return t * t * (3 - 2 * t);
}
