import { LEARNING_RATE, LOGIT_SCALE, textSpecs } from "../../data.ts";
import { type CoopSizes, coopData, embeddedPrompts } from "../../prompts.ts";
import type { MakeWork } from "../../work-type.ts";
import { type Arr, draw, first, jax, np, put, submit } from "./library.ts";
import { block, kept, layerNorm, residualBlock } from "./tower.ts";

/** The CoOp step on all rows of all prompts, cut behind the longest. */
export const make: MakeWork<CoopSizes> = async (sizes) => {
  const { classes, contextTokens, width, batch } = sizes;
  const specs = textSpecs(sizes);
  const prompts = embeddedPrompts(sizes);
  const { length } = prompts;
  const data = coopData(sizes);
  const normalized = (x: Arr): Arr => x.ref.div(np.linalg.norm(x, { axis: -1, keepdims: true }));
  const places = np.concatenate([
    np.zeros([1, contextTokens]),
    np.eye(contextTokens),
    np.zeros([prompts.behind, contextTokens]),
  ]);
  const frozen = {
    blocks: specs.blocks.map(block),
    projection: np.transpose(draw(specs.projection)),
    fixed: np
      .concatenate(
        [
          put(prompts.prefix, [classes, 1, width]),
          np.zeros([classes, contextTokens, width]),
          put(prompts.suffix, [classes, prompts.behind, width]),
        ],
        1,
      )
      .add(draw(specs.positions).slice([0, length])),
    places, // 1 where place t holds context vector t − 1
    ends: put(
      prompts.ends.map((end, k) => k * length + end),
      [classes],
    ),
    features: normalized(put(data.features, [batch, width])),
    targets: jax.nn.oneHot(put(data.labels, [batch]), classes),
  };
  type Frozen = typeof frozen;

  const lossOf = (learned: Arr, p: Frozen): Arr => {
    let x = np.matmul(p.places, learned).add(p.fixed); // [K, T, D]
    for (const weights of p.blocks) x = residualBlock(weights, x, sizes, true);
    const last = np.take(x.reshape([classes * length, width]), p.ends, 0);
    const text = normalized(np.matmul(layerNorm(last), p.projection)); // [K, E]
    const logits = np.matmul(p.features, np.transpose(text)).mul(LOGIT_SCALE);
    return p.targets.mul(jax.nn.logSoftmax(logits)).sum(1).mean().neg();
  };
  const step = jax.jit((learned: Arr, p: Frozen) => {
    const [loss, gradient] = jax.valueAndGrad(lossOf)(learned.ref, p);
    return [learned.sub(gradient.mul(LEARNING_RATE)), loss] as [Arr, Arr];
  });
  let context = put(data.context, [contextTokens, width]);
  let loss: Arr | undefined;
  return {
    call: async () => {
      loss?.dispose();
      [context, loss] = step(context, kept(frozen)) as [Arr, Arr];
      await submit(loss);
    },
    value: () => first(loss!),
  };
};
