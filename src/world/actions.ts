import type { Canvas } from "./canvas.ts";
import { type Colour, jittered } from "./colours.ts";
import type { Random } from "./random.ts";
import { disc, type Point, placed, stroke } from "./regions.ts";

type Pose = {
  /** How people who do not use the verb put it. */
  readonly described: string;
  /** x and y of neck, hip, two hands, two knees, two feet and head of the stick figure. */
  readonly joints: readonly number[];
};

export type Action = keyof typeof POSES;

const POSES = {
  standing: {
    described: "upright with arms down",
    joints: [0, 0.45, 0, -0.1, -0.25, 0, 0.25, 0, -0.1, -0.5, 0.1, -0.5, -0.15, -0.9, 0.15, -0.9, 0, 0.68],
  },
  running: {
    described: "with one leg bent behind",
    joints: [
      0.15, 0.45, 0, -0.1, -0.35, 0.3, 0.55, 0.2, -0.25, -0.5, 0.35, -0.35, -0.65, -0.45, 0.35, -0.85, 0.25, 0.68,
    ],
  },
  waving: {
    described: "upright with one arm up",
    joints: [0, 0.45, 0, -0.1, -0.25, 0, 0.5, 0.85, -0.1, -0.5, 0.1, -0.5, -0.15, -0.9, 0.15, -0.9, 0, 0.68],
  },
  sitting: {
    described: "with bent knees and a straight back",
    joints: [-0.1, 0.4, -0.1, -0.3, 0.25, 0.1, 0.3, 0.1, 0.4, -0.3, 0.45, -0.3, 0.35, -0.85, 0.4, -0.85, -0.1, 0.63],
  },
  lying: {
    described: "flat near the ground",
    joints: [
      0.4, -0.55, -0.15, -0.6, 0.1, -0.75, 0.2, -0.4, -0.5, -0.65, -0.5, -0.55, -0.9, -0.65, -0.9, -0.55, 0.65, -0.5,
    ],
  },
  jumping: {
    described: "with both arms up and legs apart",
    joints: [0, 0.55, 0, 0.05, -0.5, 0.9, 0.5, 0.9, -0.3, -0.2, 0.3, -0.2, -0.55, -0.5, 0.55, -0.5, 0, 0.78],
  },
  kicking: {
    described: "with one leg raised in front",
    joints: [
      -0.1, 0.45, -0.05, -0.1, -0.45, 0.15, 0.3, 0.35, -0.08, -0.5, 0.4, -0.05, -0.1, -0.9, 0.8, 0.05, -0.15, 0.68,
    ],
  },
  bowing: {
    described: "with the head low and legs straight",
    joints: [
      0.45, 0.1, 0, 0.05, 0.55, -0.25, 0.5, -0.2, -0.05, -0.45, 0.05, -0.45, -0.1, -0.9, 0.08, -0.9, 0.68, -0.02,
    ],
  },
} satisfies Record<string, Pose>;

export const ACTIONS: Readonly<Record<Action, Pose>> = POSES;

export const ACTION_NAMES = Object.keys(ACTIONS) as readonly Action[];

const LIMB = 0.075;

export function drawAction(canvas: Canvas, action: Action, colour: Colour, ground: Colour, random: Random): void {
  const frame = {
    x: random.normal(0, 0.1),
    y: random.normal(0, 0.1),
    size: random.uniform(0.75, 0.95),
    rotation: random.normal(0, 0.07),
    mirrored: random.chance(0.5),
  };
  const skin = jittered(random, colour, 0.05);
  const { joints } = ACTIONS[action];
  const joint = (i: number): Point => [random.normal(joints[2 * i], 0.04), random.normal(joints[2 * i + 1], 0.04)];
  const [neck, hip, hand, otherHand, knee, otherKnee, foot, otherFoot, head] = Array.from({ length: 9 }, (_, i) =>
    joint(i),
  );
  const limbs: [Point, Point][] = [
    [neck, hip],
    [neck, hand],
    [neck, otherHand],
    [hip, knee],
    [hip, otherKnee],
    [knee, foot],
    [otherKnee, otherFoot],
  ];
  canvas.fill(jittered(random, ground));
  for (const [from, to] of limbs) canvas.paint(placed(stroke(from, to, LIMB), frame), skin);
  canvas.paint(placed(disc(head[0], head[1], 0.17), frame), skin);
}
