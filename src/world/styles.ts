import { type Canvas, edge } from "./canvas.ts";
import { jittered, type RGB, tinted } from "./colours.ts";
import { ripple, valueNoise } from "./noise.ts";
import type { Random } from "./random.ts";
import { type Frame, fract, placed, type Region, region } from "./regions.ts";

/** What a style has to show: a shape drawn around the origin, where it stands, its colour and that of the ground. */
export type Subject = { readonly shape: Region; readonly frame: Frame; readonly ink: RGB; readonly paper: RGB };

/** Another way than a photograph to show an object, and how people word it. */
type StyleKind = {
  readonly captions: readonly string[];
  /** Whether the object keeps its own colour, so that a caption may name it. */
  readonly coloured: boolean;
  draw(canvas: Canvas, subject: Subject, random: Random): void;
};

const KINDS = {
  sketch: {
    captions: [
      "a sketch of a {thing}",
      "a pencil drawing of a {thing}",
      "a drawing of a {thing}",
      "a {thing} drawn with a pencil",
    ],
    coloured: false,
    draw(canvas, { shape, frame }, random) {
      const mask = canvas.mask(placed(shape, frame));
      const noise = valueNoise(random);
      canvas.fill(jittered(random, "white", 0.03));
      canvas.paint(edge(mask, 2), jittered(random, [0.2, 0.2, 0.2], 0.06));
      canvas.scale((x, y) => (noise(8 * (x + y), 0) > 0.75 ? 0.75 : 1), mask);
    },
  },
  painting: {
    captions: ["a painting of a {thing}", "art of a {thing}", "a {thing} painted in oil", "a watercolour of a {thing}"],
    coloured: true,
    draw(canvas, { shape, frame, ink, paper }, random) {
      const smears = [0, 1, 2].map(() => ripple(random, 5, 1, 2.5));
      const [right, up] = smears;
      const smeared = region(
        (x, y) => shape.inside(x + 0.25 * right(x, y), y + 0.25 * up(x, y)),
        [-1.2, -1.2, 1.2, 1.2],
      );
      canvas.fill(paper);
      canvas.paint(placed(smeared, frame), ink);
      smears.forEach((smear, channel) => {
        canvas.add((x, y) => 0.55 * smear(x, y), undefined, channel as 0 | 1 | 2);
      });
    },
  },
  silhouette: {
    captions: ["a silhouette of a {thing}", "the shadow of a {thing}", "a black shape of a {thing}"],
    coloured: false,
    draw(canvas, { shape, frame, paper }) {
      canvas.fill(tinted(paper, 0.4, 0.6));
      canvas.paint(placed(shape, frame), [0.04, 0.04, 0.04]);
    },
  },
  neon: {
    captions: ["a neon sign of a {thing}", "a {thing} in neon lights", "a glowing {thing} at night"],
    coloured: true,
    draw(canvas, { shape, frame, ink }, random) {
      const mask = canvas.mask(placed(shape, frame));
      canvas.fill(jittered(random, [0.05, 0.03, 0.1], 0.03));
      canvas.paint(edge(mask, 5), tinted(ink, 0.45));
      canvas.paint(edge(mask, 2), tinted(ink, 1.1, 0.15));
    },
  },
  pixel: {
    captions: ["a pixel art {thing}", "a {thing} in a video game", "a low resolution picture of a {thing}"],
    coloured: true,
    draw(canvas, { shape, frame, ink, paper }) {
      canvas.fill(paper);
      canvas.paint(placed(shape, frame), ink);
      canvas.coarsen(8);
    },
  },
  blueprint: {
    captions: ["a blueprint of a {thing}", "a technical plan of a {thing}", "a {thing} on blue paper"],
    coloured: false,
    draw(canvas, { shape, frame }, random) {
      canvas.fill(jittered(random, [0.1, 0.25, 0.6], 0.04));
      canvas.add((x, y) => (fract(4 * x) < 0.1 || fract(4 * y) < 0.1 ? 0.12 : 0));
      canvas.paint(edge(canvas.mask(placed(shape, frame)), 2), [0.92, 0.95, 1]);
    },
  },
} satisfies Record<string, StyleKind>;

export type Style = keyof typeof KINDS;

export const STYLES: Readonly<Record<Style, StyleKind>> = KINDS;

export const STYLE_NAMES = Object.keys(STYLES) as readonly Style[];
