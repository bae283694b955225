import { free } from "../../tensor/index.ts";
import { conditionalClassifier } from "../conditional-predict.ts";
import { conditionalPromptLearner } from "../conditional-prompt-learner.ts";
import { learnerTrainer, toHost } from "../fit.ts";
import { COOP_RECIPE } from "../schedule.ts";
import { fitTask } from "./fit-task.ts";
import { type FitTask, type Fitted, type Method, together } from "./method.ts";
import { RECIPE_KEYS, readRecipe } from "./method-coop.ts";

/** As published: ten epochs, a picture a step, a context that begins as "a photo of a". */
const EPOCHS = 10;

/** Conditional Context Optimization (Zhou et al., CVPR 2022). */
export const cocoop: Method = {
  kind: "cocoop",
  keys: ["contextTokens", "init", "epochs", ...RECIPE_KEYS],
  read(fields) {
    const contextTokens = fields.has("contextTokens") ? fields.whole("contextTokens", 1) : null;
    const init = fields.has("init") ? fields.string("init") : contextTokens === null ? "a photo of a" : null;
    const epochs = fields.has("epochs") ? fields.whole("epochs", 1) : EPOCHS;
    const recipe = readRecipe(fields, { ...COOP_RECIPE, batchSize: 1 });
    return {
      learns: true,
      namesNewClasses: true,
      resolve: () => ({ contextTokens, init, epochs, ...recipe }),
      async open({ clip, classNames, pool }) {
        const options = { contextTokens: contextTokens ?? undefined, initText: init ?? undefined };
        const learner = conditionalPromptLearner(clip, classNames, options);
        const trainer = learnerTrainer(learner, recipe);
        const features = { features: pool, width: clip.config.embedDim };
        const fit = async (task: FitTask): Promise<Fitted> => {
          const { params, ...cost } = await fitTask(trainer, features, task, { epochs, batchSize: recipe.batchSize });
          const learned = await toHost(params);
          free(params);
          const classify = conditionalClassifier(clip, learned);
          return { predict: ({ features }, names) => classify(names, features), ...cost };
        };
        return { fit: (tasks) => together(tasks.map(fit)), free: trainer.free };
      },
    };
  },
};
