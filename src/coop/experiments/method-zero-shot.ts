import { classFeatures, ENSEMBLE_TEMPLATES } from "../../clip/index.ts";
import type { ConfiguredMethod, Method } from "./method.ts";
import { classPredictor } from "./predictor.ts";
import { template } from "./template-field.ts";

/** One hand-written prompt: the dataset's, or `template`. */
export const zeroShot: Method = {
  kind: "zero-shot",
  keys: ["template"],
  read: (fields) => {
    const given = fields.has("template") ? template(fields, "template") : undefined;
    return written((own) => [given ?? own]);
  },
};

/** The mean of several hand-written prompts: `templates`, or those of CLIP's authors and the dataset's. */
export const ensemble: Method = {
  kind: "ensemble",
  keys: ["templates"],
  read: (fields) => {
    if (!fields.has("templates")) return written((own) => [...new Set([own, ...ENSEMBLE_TEMPLATES])]);
    const given = fields.strings("templates");
    const bad = given.find((text) => !text.includes("{}"));
    if (bad !== undefined || given.length === 0)
      throw fields.wrong("templates", "must be texts with {} for the class name");
    return written(() => given);
  },
};

const written = (templates: (own: string) => readonly string[]): ConfiguredMethod => ({
  learns: false,
  namesNewClasses: true,
  resolve: ({ template }) => ({ templates: [...templates(template)] }),
  async open({ clip, template }) {
    const predictor = classPredictor(clip);
    return {
      fit: async (tasks) =>
        tasks.map(() => ({
          predict: async (pictures, classNames) =>
            predictor.predict(pictures, await classFeatures(clip, classNames, templates(template))),
        })),
      free: () => predictor.free(),
    };
  },
});
