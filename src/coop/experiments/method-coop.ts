import { type Clip, classFeatures } from "../../clip/index.ts";
import { InputError } from "../../tensor/errors.ts";
import { compile, free, l2Normalize, type Tensor, tensor } from "../../tensor/index.ts";
import { learnerTrainer } from "../fit.ts";
import type { JsonFields } from "../json-fields.ts";
import { type PromptLearner, type PromptParams, promptLearner } from "../prompt-learner.ts";
import { withKnowledge, withProjection } from "../regularised.ts";
import { COOP_RECIPE, epochsForShots } from "../schedule.ts";
import { fitTask } from "./fit-task.ts";
import { type FitTask, type Fitted, type Method, type MethodContext, type Pictures, together } from "./method.ts";
import { classPredictor } from "./predictor.ts";

const POSITIONS = ["end", "middle", "front"] as const;

export const RECIPE_KEYS = ["batchSize", "learningRate", "warmupLearningRate", "momentum", "weightDecay"] as const;

/** Another loss for a prompt learner, made with the features [K, E] of the dataset's own hand-written prompt. */
type Otherwise = (clip: Clip, learner: PromptLearner, handWritten: Tensor) => PromptLearner;

/** Prompt learning with CoOp's recipe where nothing else is said. */
const promptMethod = (kind: string, otherwise?: Otherwise): Method => ({
  kind,
  keys: ["contextTokens", "position", "classSpecific", "init", "epochs", ...RECIPE_KEYS],
  read(fields) {
    const { epochs, layout, recipe } = readOptions(fields);
    return {
      learns: true,
      namesNewClasses: !layout.classSpecific,
      resolve: ({ shots }) => ({ ...layout, epochs: epochs ?? epochsForShots(shots), ...recipe }),
      async open({ clip, classNames, template, pool }: MethodContext) {
        const learner = learnerOf(clip, classNames, layout);
        const width = clip.config.embedDim;
        const written =
          otherwise && tensor(await classFeatures(clip, classNames, [template]), [classNames.length, width]);
        const trained = otherwise && written ? otherwise(clip, learner, written) : learner;
        const trainer = learnerTrainer(trained, recipe);
        const prompts = promptPredictor(clip, learner, (names) => learnerOf(clip, names, layout));
        const fit = async (task: FitTask): Promise<Fitted> => {
          const { params, ...cost } = await fitTask(trainer, { features: pool, width }, task, {
            epochs: epochs ?? epochsForShots(task.shots),
            batchSize: recipe.batchSize,
          });
          const context = (await params.context.data()).slice() as Float32Array;
          const { shape } = params.context;
          free(params);
          return { predict: (pictures, names) => prompts.predict(pictures, names, context, shape), ...cost };
        };
        return {
          fit: (tasks) => together(tasks.map(fit)),
          free: () => {
            trainer.free();
            prompts.free();
            free(written ?? []);
          },
        };
      },
    };
  },
});

/** Context Optimization (Zhou et al., IJCV 2022). */
export const coop = promptMethod("coop");
/** Near the hand-written prompt (Yao et al., CVPR 2023). */
export const kgcoop = promptMethod("kgcoop", withKnowledge);
/** Never against the hand-written prompt (Zhu et al., ICCV 2023). */
export const prograd = promptMethod("prograd", withProjection);

type Layout = ReturnType<typeof readOptions>["layout"];

function readOptions(fields: JsonFields) {
  const init = fields.has("init") ? fields.string("init") : null;
  const words = init?.split(/[\s_]+/).filter((word) => word !== "").length;
  if (words === 0) throw fields.wrong("init", "holds no word");
  return {
    layout: {
      contextTokens: fields.has("contextTokens") ? fields.whole("contextTokens", 1) : (words ?? 16),
      position: fields.has("position") ? fields.choice("position", POSITIONS) : ("end" as const),
      classSpecific: fields.has("classSpecific") && fields.boolean("classSpecific"),
      init,
    },
    epochs: fields.has("epochs") ? fields.whole("epochs", 1) : null,
    recipe: readRecipe(fields, COOP_RECIPE),
  };
}

type ReadRecipe = Readonly<Record<(typeof RECIPE_KEYS)[number], number>>;

/** What the file says of a recipe, and the rest as it is published. */
export function readRecipe(fields: JsonFields, published: ReadRecipe): ReadRecipe {
  const positive = (name: keyof ReadRecipe): number => {
    if (!fields.has(name)) return published[name];
    const value = fields.number(name);
    const least = name === "momentum" || name === "weightDecay" ? 0 : Number.MIN_VALUE;
    if (value < least) throw fields.wrong(name, `must be a number ${least === 0 ? "from" : "above"} 0, not ${value}`);
    return value;
  };
  return {
    batchSize: fields.has("batchSize") ? fields.whole("batchSize", 1) : published.batchSize,
    learningRate: positive("learningRate"),
    warmupLearningRate: positive("warmupLearningRate"),
    momentum: positive("momentum"),
    weightDecay: positive("weightDecay"),
  };
}

function learnerOf(clip: Clip, classNames: readonly string[], { init, ...layout }: Layout): PromptLearner {
  const learner = promptLearner(clip, classNames, { ...layout, initText: init ?? undefined });
  if (learner.contextTokens !== layout.contextTokens)
    throw new InputError(
      `the init "${init}" has ${learner.contextTokens} tokens with this model, not ${layout.contextTokens}: write "contextTokens": ${learner.contextTokens}`,
    );
  return learner;
}

/** Answers of learned contexts, with one program for each list of classes. */
function promptPredictor(
  clip: Clip,
  learned: PromptLearner,
  learnerFor: (classNames: readonly string[]) => PromptLearner,
) {
  const predictor = classPredictor(clip);
  const programOf = (learner: PromptLearner) =>
    compile((params: PromptParams) => l2Normalize(learner.textFeatures(params)), { name: "prompt features" });
  const programs = new Map([[learned.classNames.join("\n"), programOf(learned)]]);
  const featuresOf = async (names: readonly string[], context: Float32Array, shape: readonly number[]) => {
    const list = names.join("\n");
    const program = programs.get(list) ?? programOf(learnerFor(names));
    programs.set(list, program);
    const params = { context: tensor(context, [...shape]) };
    const features = program(params);
    const values = (await features.data()).slice() as Float32Array;
    free([params, features]);
    return values;
  };
  return {
    async predict(pictures: Pictures, names: readonly string[], context: Float32Array, shape: readonly number[]) {
      const all = learned.classNames;
      const same = names.length === all.length && names.every((name, i) => name === all[i]);
      if (shape.length < 3 || same) return predictor.predict(pictures, await featuresOf(names, context, shape));
      // a context of its own for each class: those of the classes asked for
      const size = context.length / all.length;
      const own = new Float32Array(size * names.length);
      names.forEach((name, i) => {
        const k = all.indexOf(name);
        own.set(context.subarray(k * size, (k + 1) * size), i * size);
      });
      return predictor.predict(pictures, await featuresOf(names, own, [names.length, ...shape.slice(1)]));
    },
    free: () => {
      predictor.free();
      for (const program of programs.values()) program.free();
    },
  };
}
