import {
  add,
  attention,
  gelu,
  layerNorm,
  linear,
  quickGelu,
  reshape,
  row,
  type Tensor,
  transpose,
} from "../tensor/index.ts";
import type { ClipConfig } from "./config.ts";
import type { BlockParams, LinearParams, NormParams } from "./params.ts";

/** What every layer of a tower has in common. */
export interface LayerOptions {
  readonly heads: number;
  readonly causal: boolean;
  readonly activation: ClipConfig["activation"];
  readonly epsilon: number;
}

export const applyLinear = (p: LinearParams, x: Tensor): Tensor => linear(x, p.weight, p.bias);
export const applyNorm = (p: NormParams, x: Tensor, epsilon: number): Tensor => layerNorm(x, p.weight, p.bias, epsilon);

/**
 * A pre-norm residual block, as in GPT-2: x + attention(norm(x)), then x + mlp(norm(x)).
 *
 * @param x [B, T, D]
 * @returns [B, T, D]
 */
export function residualBlock(p: BlockParams, x: Tensor, options: LayerOptions): Tensor {
  const attended = add(x, selfAttention(p, applyNorm(p.norm1, x, options.epsilon), options)); // [B, T, D]
  const hidden = applyLinear(p.expand, applyNorm(p.norm2, attended, options.epsilon)); // [B, T, 4D]
  const active = options.activation === "gelu" ? gelu(hidden) : quickGelu(hidden);
  return add(attended, applyLinear(p.contract, active));
}

function selfAttention(p: BlockParams, x: Tensor, { heads, causal }: LayerOptions): Tensor {
  const [batch, tokens, width] = x.shape;
  const projected = reshape(applyLinear(p.inProjection, x), [batch, tokens, 3, heads, width / heads]);
  const qkv = transpose(projected, [2, 0, 3, 1, 4]); // [3, B, H, T, d]
  const mixed = attention(row(qkv, 0), row(qkv, 1), row(qkv, 2), { causal }); // [B, H, T, d]
  return applyLinear(p.outProjection, reshape(transpose(mixed, [0, 2, 1, 3]), [batch, tokens, width]));
}
