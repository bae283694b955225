import { treeDot } from "../autograd/grad.ts";
import { customVjp, grad, vjp } from "../autograd/index.ts";
import { type Clip, similarityLogits } from "../clip/index.ts";
import { ShapeError } from "../tensor/errors.ts";
import {
  add,
  crossEntropy,
  div,
  l2Normalize,
  less,
  logSoftmax,
  mean,
  mul,
  neg,
  softmax,
  sub,
  sum,
  type Tensor,
  treeMap,
  where,
} from "../tensor/index.ts";
import { batchFeatures, type PromptLearner, type PromptParams } from "./prompt-learner.ts";

/** Weight of KgCoOp's distance (Yao et al., §4). */
const KNOWLEDGE_WEIGHT = 8;

/**
 * KgCoOp (Yao et al., "Visual-Language Prompt Tuning with Knowledge-guided Context Optimization", CVPR 2023, arXiv
 * 2303.13283): a learner whose loss adds `weight` (λ, 8 where not given) times the mean of 1 − cos between the feature of
 * each class's learned prompt and that of its hand-written one, half their squared distance on the unit sphere.
 *
 * @param handWritten features [K, E] of the hand-written prompts, `classFeatures` say; need not be normalised
 * @example const learner = withKnowledge(clip, promptLearner(clip, classNames), handWritten);
 */
export function withKnowledge(
  clip: Clip,
  learner: PromptLearner,
  handWritten: Tensor,
  { weight = KNOWLEDGE_WEIGHT }: { weight?: number } = {},
): PromptLearner {
  checkClasses("withKnowledge", learner, handWritten);
  const known = l2Normalize(handWritten);
  return {
    ...learner,
    loss: (params, batch) => {
      const texts = learner.textFeatures(params);
      const logits = similarityLogits(batchFeatures(clip, batch), texts, clip.params.logitScale);
      const cosines = sum(mul(l2Normalize(texts), known), -1); // [K]
      return add(crossEntropy(logits, batch.labels), mul(sub(1, mean(cosines)), weight));
    },
  };
}

/**
 * ProGrad (Zhu et al., "Prompt-aligned Gradient for Prompt Tuning", ICCV 2023, arXiv 2205.14865, §3.2): a learner whose
 * loss is the cross entropy, but whose gradient is `projected` so that no step goes against what the hand-written
 * prompts say of the batch; `weight` (λ, 1 where not given) is how much of the conflict is taken away. The gradient is
 * thus not that of the loss, and has none itself.
 *
 * @param handWritten features [K, E] of the hand-written prompts; need not be normalised
 * @example const learner = withProjection(clip, promptLearner(clip, classNames), handWritten);
 */
export function withProjection(
  clip: Clip,
  learner: PromptLearner,
  handWritten: Tensor,
  { weight = 1 }: { weight?: number } = {},
): PromptLearner {
  checkClasses("withProjection", learner, handWritten);
  return {
    ...learner,
    loss: (params, batch) => {
      const zeroShot = softmax(similarityLogits(batchFeatures(clip, batch), handWritten, clip.params.logitScale));
      const [logits, pull] = vjp((p: PromptParams) => learner.logits(p, batch), params);
      const along = (loss: (logits: Tensor) => Tensor) => pull(grad(loss)(logits));
      const task = (x: Tensor) => crossEntropy(x, batch.labels);
      const loss = customVjp(
        (_context: Tensor) => task(logits),
        (g) => [
          mul(
            projected(
              along(task),
              along((x) => divergence(x, zeroShot)),
              weight,
            ).context,
            g,
          ),
        ],
      );
      return loss(params.context);
    },
  };
}

/**
 * The gradient of the task without what is against the general one: g − λ (g·h / h·h) h where g·h < 0, else g.
 *
 * @param task g, a tree of tensors
 * @param general h, of the same structure
 * @example projected({ w: tensor([1, -1]) }, { w: tensor([0, 1]) }).w // [1, 0]
 */
export function projected<P>(task: P, general: P, weight = 1): P {
  const product = treeDot(task, general);
  const share = where(less(product, 0), mul(div(product, treeDot(general, general)), weight), 0);
  return treeMap((g: Tensor, h: Tensor) => sub(g, mul(h, share)), task, general) as P;
}

/** KL(p ‖ softmax(logits)), mean over rows, up to the entropy of p, which does not depend on the logits. */
const divergence = (logits: Tensor, p: Tensor): Tensor => neg(mean(sum(mul(p, logSoftmax(logits)), -1)));

function checkClasses(what: string, { classNames }: PromptLearner, handWritten: Tensor): void {
  if (handWritten.rank !== 2 || handWritten.shape[0] !== classNames.length)
    throw new ShapeError(
      `${what}: the hand-written features are [${handWritten.shape}]; there are ${classNames.length} classes, so [${classNames.length}, E] is needed`,
    );
}
