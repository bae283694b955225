import type { ResNetConfig } from "../../src/clip/config.ts";
import type { BottleneckParams, ConvParams, ResNetParams } from "../../src/clip/params.ts";
import type { Graph } from "./graph.ts";
import { attention, linear } from "./layers.ts";

/**
 * Adds CLIP's modified ResNet, its batch norms folded into the convolutions.
 *
 * @param images [batch, 3, R, R]
 * @returns features [batch, E]
 */
export function resnet(
  graph: Graph,
  p: ResNetParams,
  { width, imageSize, heads }: ResNetConfig,
  images: string,
  batch: number,
): string {
  const relu = (x: string): string => graph.op("Relu", [x]);
  const conv = (c: ConvParams, x: string, stride = 1): string => {
    if ("norm" in c) throw new Error("a batch norm is not folded");
    const border = c.weight.shape[2] === 3 ? 1 : 0;
    const inputs = [x, graph.constant(c.weight), graph.constant(c.bias)];
    return graph.op("Conv", inputs, { strides: [stride, stride], pads: [border, border, border, border] });
  };
  const shrink = (x: string, by: number): string =>
    by === 1 ? x : graph.op("AveragePool", [x], { kernel_shape: [by, by], strides: [by, by] });
  const bottleneck = (b: BottleneckParams, x: string, stride: number): string => {
    const inner = relu(conv(b.spatial, relu(conv(b.reduce, x))));
    const beside = b.shortcut ? conv(b.shortcut, shrink(x, stride)) : x;
    return relu(graph.op("Add", [conv(b.expand, shrink(inner, stride)), beside]));
  };
  const [first, second, third] = p.stem;
  let x = shrink(relu(conv(third, relu(conv(second, relu(conv(first, images, 2)))))), 2); // [B, W, R/4, R/4]
  p.stages.forEach((blocks, s) => {
    blocks.forEach((block, i) => {
      x = bottleneck(block, x, s > 0 && i === 0 ? 2 : 1);
    });
  });
  const channels = 32 * width;
  const places = (imageSize / 32) ** 2;
  const rows = graph.op("Transpose", [graph.reshape(x, [batch, channels, places])], { perm: [0, 2, 1] });
  const mean = graph.op("ReduceMean", [rows], { axes: [1], keepdims: 1 });
  const all = graph.op("Concat", [mean, rows], { axis: 1 });
  const placed = graph.op("Add", [all, graph.constant(p.pool.positionalEmbedding)]); // [B, 1 + G², C]
  const asking = graph.firstRow(placed);
  const mixed = attention(graph, p.pool.inProjection, asking, placed, heads); // [B, 1, C]
  return linear(graph, p.pool.outProjection, graph.reshape(mixed, [batch, channels]));
}
