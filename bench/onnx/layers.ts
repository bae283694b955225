import type { LinearParams } from "../../src/clip/params.ts";
import { mul, slice, transpose } from "../../src/index.ts";
import type { Graph } from "./graph.ts";

/** x W + b, as PyTorch's exporter writes a linear layer. */
export function linear(graph: Graph, { weight, bias }: LinearParams, x: string): string {
  const product = graph.op("MatMul", [x, graph.constant(transpose(weight))]);
  return graph.op("Add", [product, graph.constant(bias)]);
}

/** QuickGELU as ONNX Runtime's own operator, which is one kernel. */
export const quickGelu = (graph: Graph, x: string): string =>
  graph.op("QuickGelu", [x], { alpha: { float: 1.702 } }, "com.microsoft");

/**
 * Multi-head attention out of standard operators. ONNX Runtime 1.30's fused MultiHeadAttention gives other features for
 * ViT-B/32 on Mesa's CPU driver than its CPU provider does (an error of 10⁻²), and takes longer there.
 *
 * @param p projections of queries, keys and values, one under the other; the scale goes into the first
 * @param asking rows that ask: [B, Q, W]
 * @param asked rows that are asked: [B, N, W]
 * @returns [B, Q, W]
 */
export function attention(graph: Graph, p: LinearParams, asking: string, asked: string, heads: number): string {
  const width = p.weight.shape[1];
  const depth = width / heads;
  const project = (i: number, x: string, perm: readonly number[], scale = 1): string => {
    const part = (whole: LinearParams["weight"]) => mul(slice(whole, [i * width], [(i + 1) * width]), scale);
    const rows = linear(graph, { weight: part(p.weight), bias: part(p.bias) }, x);
    return graph.op("Transpose", [graph.reshape(rows, [0, -1, heads, depth])], { perm });
  };
  const queries = project(0, asking, [0, 2, 1, 3], depth ** -0.5); // [B, H, Q, d]
  const keys = project(1, asked, [0, 2, 3, 1]); // [B, H, d, N]
  const values = project(2, asked, [0, 2, 1, 3]); // [B, H, N, d]
  const weights = graph.op("Softmax", [graph.op("MatMul", [queries, keys])], { axis: 3 });
  const mixed = graph.op("Transpose", [graph.op("MatMul", [weights, values])], { perm: [0, 2, 1, 3] });
  return graph.reshape(mixed, [0, -1, width]);
}
