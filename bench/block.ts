import type { Tower } from "./data.ts";

/** A residual block on x [batch, length, width], forward and backward: gradients of x and of all weights. */
export interface BlockSizes extends Tower {
  readonly batch: number;
  readonly length: number;
}

/** The loss is Σ(block(x) · probe), so that every element of the result has a gradient of its own. */
export const blockData = ({ batch, length, width }: BlockSizes) => ({
  x: { stream: 12, shape: [batch, length, width], std: 1 },
  probe: { stream: 13, shape: [batch, length, width], std: (batch * length * width) ** -0.5 },
});
