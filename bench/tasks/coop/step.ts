import { encodeEmbeddings, similarityLogits } from "../../../src/clip/index.ts";
import {
  broadcastTo,
  compile,
  concat,
  crossEntropy,
  free,
  mul,
  realize,
  sub,
  type Tensor,
  tensor,
  valueAndGrad,
} from "../../../src/index.ts";
import { LEARNING_RATE } from "../../data.ts";
import { type CoopSizes, coopData, embeddedPrompts } from "../../prompts.ts";
import type { MakeWork } from "../../work-type.ts";
import { configOf, logitScale, textParams } from "./model.ts";
import { planReport } from "./plan.ts";

/** The CoOp step on all rows of all prompts, cut behind the longest: the work that the peers do. */
export const make: MakeWork<CoopSizes> = async (sizes) => {
  const { classes, contextTokens, width, batch } = sizes;
  const prompts = embeddedPrompts(sizes);
  const config = configOf(sizes);
  const data = coopData(sizes);
  const text = textParams(sizes);
  const frozen = realize({
    prefix: tensor(prompts.prefix, [classes, 1, width]),
    suffix: tensor(prompts.suffix, [classes, prompts.behind, width]),
    ends: tensor(prompts.ends),
    features: tensor(data.features, [batch, width]),
    labels: tensor(data.labels),
    logitScale: logitScale(),
  });
  const lossOf = (learned: Tensor): Tensor => {
    const middle = broadcastTo(learned, [classes, contextTokens, width]);
    const embedded = concat([frozen.prefix, middle, frozen.suffix], 1); // [K, T, D]
    const encoded = encodeEmbeddings(text, config, embedded, frozen.ends);
    return crossEntropy(similarityLogits(frozen.features, encoded, frozen.logitScale), frozen.labels);
  };
  const step = compile(
    (context: Tensor) => {
      const [loss, gradient] = valueAndGrad(lossOf)(context);
      return { context: sub(context, mul(gradient, LEARNING_RATE)), loss };
    },
    { donate: [0], name: "the step" },
  );
  let context = tensor(data.context, [contextTokens, width]);
  let loss: Tensor | undefined;
  return {
    call: () => {
      free(loss);
      ({ context, loss } = step(context));
    },
    value: () => loss!.item(),
    plan: () => planReport(step),
  };
};
