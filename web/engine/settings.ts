import { DEFAULT_TEMPLATE } from "../../src/clip/templates.ts";
import { POSITIONS } from "../../src/coop/run-config.ts";
import { COOP_RECIPE, epochsForShots } from "../../src/coop/schedule.ts";
import { InputError } from "../../src/tensor/errors.ts";
import type { Settings } from "../protocol.ts";

/** CoOp's published recipe. */
export const DEFAULTS: Settings = {
  shots: 16,
  contextTokens: 16,
  classSpecific: false,
  position: "end",
  init: "",
  epochs: epochsForShots(16),
  learningRate: COOP_RECIPE.learningRate,
  seed: 1,
  template: DEFAULT_TEMPLATE,
};

type Check = (value: unknown) => string | undefined;

const whole =
  (least: number, most: number): Check =>
  (value) =>
    Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most
      ? undefined
      : `is a whole number from ${least} to ${most}`;

const text: Check = (value) =>
  typeof value === "string" && value.length <= 300 ? undefined : "is a text of 300 characters at most";

const CHECKS: Readonly<Record<keyof Settings, readonly [title: string, check: Check]>> = {
  shots: ["The number of shots", whole(1, 10_000)],
  contextTokens: ["The number of context tokens", whole(1, 512)],
  classSpecific: ["Whether contexts are class-specific", (v) => (typeof v === "boolean" ? undefined : "is yes or no")],
  position: [
    "The place of the class name",
    (v) => (POSITIONS.some((position) => position === v) ? undefined : `is ${POSITIONS.join(", ")}`),
  ],
  init: ["What the context begins as", text],
  epochs: ["The number of epochs", whole(1, 10_000)],
  learningRate: [
    "The learning rate",
    (v) => (typeof v === "number" && v > 0 && v <= 100 ? undefined : "is a number above 0, 0.002 say"),
  ],
  seed: ["The seed", whole(0, 2 ** 32 - 1)],
  template: [
    "The hand-written prompt",
    (v) =>
      text(v) ??
      ((v as string).includes("{}") ? undefined : `has {} where the class name goes, as in "${DEFAULT_TEMPLATE}"`),
  ],
};

/** The settings with some changed. InputError where a value is of no use, naming the setting. */
export function changedSettings(settings: Settings, change: Partial<Settings>): Settings {
  const entries = Object.entries(change ?? {}).filter(([, value]) => value !== undefined);
  for (const [name, value] of entries) {
    if (!Object.hasOwn(CHECKS, name)) throw new InputError(`There is no setting "${name}".`);
    const [title, check] = CHECKS[name as keyof Settings];
    const wrong = check(value);
    if (wrong) throw new InputError(`${title} ${wrong}, not ${JSON.stringify(value)}.`);
  }
  return { ...settings, ...Object.fromEntries(entries) };
}
