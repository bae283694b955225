import { drawFromAbove } from "./above.ts";
import { drawAction } from "./actions.ts";
import { Canvas } from "./canvas.ts";
import { drawCar } from "./cars.ts";
import { jittered } from "./colours.ts";
import { drawFlower } from "./flowers.ts";
import type { Domain, Latent, LatentOf } from "./latent.ts";
import type { Random } from "./random.ts";
import { type Frame, inFrame, type Point, placed, region } from "./regions.ts";
import { drawScene } from "./scenes.ts";
import { SHAPES } from "./shapes.ts";
import { STYLES } from "./styles.ts";
import { TEXTURES, textured } from "./textures.ts";

/** What may go wrong between the world and the picture. */
export type Disturbance = {
  /** Complementary colours. */
  readonly inverted?: boolean;
  /** Deviation of the pixel noise (values in 0 … 1); by default a little, different in every picture. */
  readonly noise?: number;
  /** The whole scene turned by so much (radians). */
  readonly rotation?: number;
};

/**
 * Draws a picture of `latent`; what the latent leaves open (shades, angles, noise …) is drawn from `random`.
 * @returns uint8 RGB, [32, 32, 3], row-major from the upper left.
 */
export function drawPicture(latent: Latent, random: Random, disturbance: Disturbance = {}): Uint8Array {
  const canvas = new Canvas(disturbance.rotation ?? 0);
  draw(canvas, latent, random);
  const noise = disturbance.noise ?? Math.abs(random.normal(0, 0.03));
  return canvas.photograph(random, noise, disturbance.inverted);
}

function draw<D extends Domain>(canvas: Canvas, latent: LatentOf<D>, random: Random): void {
  const painter: Painter<D> = PAINTERS[latent.domain as D];
  painter(canvas, latent, random);
}

type Painter<D extends Domain> = (canvas: Canvas, latent: LatentOf<D>, random: Random) => void;

const PAINTERS: { readonly [D in Domain]: Painter<D> } = {
  object: drawObject,
  position: (canvas, latent, random) => drawObject(canvas, { ...latent, texture: null, secondColour: null }, random),
  style(canvas, latent, random) {
    const paper = jittered(random, latent.background);
    const ink = jittered(random, latent.colour);
    STYLES[latent.style].draw(
      canvas,
      { shape: SHAPES[latent.shape], frame: frameOf(latent, random), ink, paper },
      random,
    );
  },
  texture: drawTexture,
  above: (canvas, latent, random) => drawFromAbove(canvas, latent.place, random),
  scene: (canvas, latent, random) => drawScene(canvas, latent.place, random),
  flower: (canvas, latent, random) => drawFlower(canvas, latent.flower, random),
  car: (canvas, latent, random) => drawCar(canvas, latent.car, latent.colour, random),
  count: drawCount,
  action: (canvas, latent, random) => drawAction(canvas, latent.action, latent.colour, latent.background, random),
};

type Standing = { readonly x: number; readonly y: number; readonly size: number };

function frameOf({ x, y, size }: Standing, random: Random): Frame {
  return { x, y, size, rotation: random.normal(0, 0.15) };
}

type Thing = Pick<LatentOf<"object">, "shape" | "colour" | "background" | "texture" | "secondColour"> & Standing;

/** A photograph of one object: flat ground in uneven light, the object lit from the upper left. */
function drawObject(canvas: Canvas, thing: Thing, random: Random): void {
  const frame = frameOf(thing, random);
  const slope = random.chance(0.5) ? 0.12 : -0.12;
  canvas.fill(jittered(random, thing.background));
  canvas.scale((_, y) => 1 + slope * y);
  const mask = canvas.mask(placed(SHAPES[thing.shape], frame));
  canvas.paint(mask, jittered(random, thing.colour));
  if (thing.texture && thing.secondColour) {
    const pattern = textured(thing.texture, random);
    const stretched = (x: number, y: number): boolean => pattern(3 * x, 3 * y);
    canvas.paint(region(inFrame(stretched, frame)), jittered(random, thing.secondColour), mask);
  }
  const light = (x: number, y: number): number => 0.75 + 0.35 * Math.min(1, Math.max(0, 0.5 + 0.4 * (y - x)));
  canvas.scale(inFrame(light, frame), mask);
}

function drawTexture(canvas: Canvas, latent: LatentOf<"texture">, random: Random): void {
  const { texture, colour, secondColour } = latent;
  const rotation = TEXTURES[texture].upright ? random.normal(0, 0.2) : random.uniform(0, Math.PI);
  const period = 1 / random.uniform(1.2, 2.4);
  const pattern = inFrame(textured(texture, random), { x: 0, y: 0, size: period, rotation });
  const [right, up] = [random.normal(0, 0.1), random.normal(0, 0.1)];
  canvas.fill(jittered(random, colour));
  canvas.paint(region(pattern), jittered(random, secondColour));
  canvas.scale((x, y) => 1 + right * x + up * y);
}

function drawCount(canvas: Canvas, { shape, colour, background, count }: LatentOf<"count">, random: Random): void {
  const size = count > 4 ? 0.2 : 0.24;
  canvas.fill(jittered(random, background));
  for (const [x, y] of scattered(random, count, 2.15 * size)) {
    const frame = { x, y, size: 1.1 * size, rotation: random.normal(0, 0.2) };
    canvas.paint(placed(SHAPES[shape], frame), jittered(random, colour, 0.04));
  }
}

/** `count` points in [−0.75, 0.75]², all further apart than `distance`; starts anew where one finds no room. */
function scattered(random: Random, count: number, distance: number): Point[] {
  let points: Point[] = [];
  for (let failures = 0; points.length < count; ) {
    const [x, y] = [random.uniform(-0.75, 0.75), random.uniform(-0.75, 0.75)];
    if (points.every(([px, py]) => (x - px) ** 2 + (y - py) ** 2 > distance * distance)) points.push([x, y]);
    else if (++failures % 100 === 0) points = [];
  }
  return points;
}
