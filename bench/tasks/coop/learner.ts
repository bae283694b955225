import { clipPreprocess, makeClip } from "../../../src/clip/index.ts";
import { initClip } from "../../../src/clip/init.ts";
import { type PromptParams, promptLearner } from "../../../src/coop/index.ts";
import { compile, free, gather, key, sgd, type Tensor, tensor, valueAndGrad } from "../../../src/index.ts";
import { LEARNING_RATE } from "../../data.ts";
import { type CoopSizes, classNames, coopData, tokenizer } from "../../prompts.ts";
import type { MakeWork } from "../../work-type.ts";
import { configOf, logitScale, textParams } from "./model.ts";
import { planReport } from "./plan.ts";

/** The CoOp step as a user of coop runs it: the prompt learner and its compiled step. */
export const make: MakeWork<CoopSizes> = async (sizes) => {
  const { contextTokens, width, batch } = sizes;
  const config = configOf(sizes, { kind: "vit", width: 64, layers: 1, heads: 1, imageSize: 32, patchSize: 32 });
  const { vision } = initClip({ ...config, text: { ...config.text, vocabularySize: 1, layers: 0 } }, key(0));
  const clip = await makeClip({
    name: "random weights",
    config,
    params: { vision, text: textParams(sizes, true), logitScale: logitScale() },
    tokenizer,
    pixels: clipPreprocess(32),
    sha256: "",
  });
  const learner = promptLearner(clip, classNames(sizes.classes), { contextTokens });
  const data = coopData(sizes);
  const examples = { features: tensor(data.features, [batch, width]), labels: tensor(data.labels) };
  const picked = tensor(Int32Array.from({ length: batch }, (_, i) => i));
  const optimizer = sgd({ learningRate: LEARNING_RATE });
  const step = compile(
    (params: PromptParams, all: typeof examples, picked: Tensor) => {
      const chosen = { features: gather(all.features, picked), labels: gather(all.labels, picked) };
      const [loss, grads] = valueAndGrad(learner.loss)(params, chosen);
      return { params: optimizer.update(grads, optimizer.init(params), params)[0], loss };
    },
    { donate: [0], name: "the CoOp step" },
  );
  let params: PromptParams = { context: tensor(data.context, [contextTokens, width]) };
  let loss: Tensor | undefined;
  return {
    call: () => {
      free(loss);
      ({ params, loss } = step(params, examples, picked));
    },
    value: () => loss!.item(),
    plan: () => planReport(step),
  };
};
