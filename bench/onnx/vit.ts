import type { ClipConfig, ViTConfig } from "../../src/clip/config.ts";
import type { NormParams, ViTParams } from "../../src/clip/params.ts";
import { broadcastTo, transpose } from "../../src/index.ts";
import type { Graph } from "./graph.ts";
import { attention, linear, quickGelu } from "./layers.ts";

/**
 * Adds CLIP's vision transformer. Like coop's, its last block computes only the row that the features are made of.
 *
 * @param images [batch, 3, R, R]
 * @returns features [batch, E]
 */
export function vit(graph: Graph, p: ViTParams, config: ClipConfig, images: string, batch: number): string {
  const { width, patchSize, heads, imageSize } = config.vision as ViTConfig;
  const places = (imageSize / patchSize) ** 2;
  const norm = (params: NormParams, x: string) =>
    graph.op("LayerNormalization", [x, graph.constant(params.weight), graph.constant(params.bias)], {
      epsilon: { float: config.layerNormEpsilon },
    });

  const patches = graph.op("Conv", [images, graph.constant(p.patchEmbedding)], { strides: [patchSize, patchSize] });
  const tokens = graph.op("Transpose", [graph.reshape(patches, [batch, width, places])], { perm: [0, 2, 1] });
  const first = graph.constant(broadcastTo(p.classEmbedding, [batch, 1, width]));
  const embedded = graph.op("Concat", [first, tokens], { axis: 1 });
  let x = norm(p.preNorm, graph.op("Add", [embedded, graph.constant(p.positionalEmbedding)])); // [B, 1 + G², W]
  for (const block of p.blocks) {
    const normed = norm(block.norm1, x);
    const last = block === p.blocks.at(-1);
    const mixed = attention(graph, block.inProjection, last ? graph.firstRow(normed) : normed, normed, heads);
    if (last) x = graph.firstRow(x);
    x = graph.op("Add", [x, linear(graph, block.outProjection, mixed)]);
    const hidden = linear(graph, block.expand, norm(block.norm2, x)); // [B, 1 + G², 4W]
    x = graph.op("Add", [x, linear(graph, block.contract, quickGelu(graph, hidden))]);
  }
  const summary = graph.reshape(norm(p.postNorm, x), [batch, width]);
  return graph.op("MatMul", [summary, graph.constant(transpose(p.projection))]);
}
