import { encodeEmbeddings, packSequences, similarityLogits } from "../../../src/clip/index.ts";
import {
  add,
  broadcastTo,
  compile,
  concat,
  crossEntropy,
  free,
  gatherRows,
  mul,
  realize,
  reshape,
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
    features: tensor(data.features, [batch, width]),
    labels: tensor(data.labels),
    logitScale: logitScale(),
  });
  // every row of every prompt, all of them in the last layer too
  const sequences = Array.from(prompts.ends, (end) => Array.from({ length: end + 1 }, (_, t) => t));
  const options = { padTo: prompts.length, contextLength: config.text.contextLength };
  const rows = { ...packSequences(sequences, (t) => t, options).rows, last: undefined };
  const lossOf = (learned: Tensor): Tensor => {
    const middle = broadcastTo(learned, [classes, contextTokens, width]);
    const embedded = concat([frozen.prefix, middle, frozen.suffix], 1); // [K, T, D]
    const flat = reshape(embedded, [classes * prompts.length, width]);
    const placed = add(flat, gatherRows(text.positionalEmbedding, rows.positions)); // [K T, D]
    const encoded = encodeEmbeddings(text, config, placed, rows);
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
