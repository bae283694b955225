import { read, type Tensor } from "../../src/index.ts";
import { type Bytes, type Field, message } from "./protobuf.ts";

/** Fields of an ONNX attribute: floats are marked, since whole numbers are the usual case. */
export type Attributes = Readonly<Record<string, number | readonly number[] | { readonly float: number }>>;

const OPERATORS = 17; // the first version with LayerNormalization
const FLOAT = 1;
const INT64 = 7;

/** Builds an ONNX model in float32: values are named, shapes are fixed. */
export class Graph {
  private readonly nodes: Bytes[] = [];
  private readonly inputs: Bytes[] = [];
  private readonly integers: Bytes[] = [];
  private readonly weights = new Map<string, Tensor>();
  private count = 0;

  input(name: string, shape: readonly number[]): string {
    this.inputs.push(valueInfo(name, shape));
    return name;
  }

  /** A weight, or what coop makes of one: a transpose or a part. */
  constant(values: Tensor): string {
    const name = this.name("weight");
    this.weights.set(name, values);
    return name;
  }

  /**
   * Adds an operator with one output.
   *
   * @param domain where it is not the standard's own: "com.microsoft" for what ONNX Runtime adds
   * @returns the name of its output
   */
  op(type: string, inputs: readonly string[], attributes: Attributes = {}, domain = ""): string {
    const output = this.name(type);
    this.nodes.push(
      message(
        ...inputs.map((input): Field => [1, input]),
        [2, output],
        [3, output],
        [4, type],
        ...Object.entries(attributes).map(([name, value]): Field => [5, attribute(name, value)]),
        [7, domain],
      ),
    );
    return output;
  }

  /** A size of 0 stays as it is, one of −1 is what remains. */
  reshape(x: string, shape: readonly number[]): string {
    return this.op("Reshape", [x, this.whole(shape)]);
  }

  /** [B, N, W] → [B, 1, W]. */
  firstRow(x: string): string {
    return this.op("Slice", [x, this.whole([0]), this.whole([1]), this.whole([1])]);
  }

  /** A list of whole numbers, as shapes and places are given. */
  whole(values: readonly number[]): string {
    const name = this.name("numbers");
    const data = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    this.integers.push(tensorProto(name, [values.length], INT64, data));
    return name;
  }

  /** The model with one output, as an ONNX file. */
  async model(output: string, shape: readonly number[]): Promise<Bytes> {
    const names = [...this.weights.keys()];
    const tensors = [...this.weights.values()];
    const values = await read(tensors);
    const weights = names.map((name, i) => {
      const { buffer, byteOffset, byteLength } = values[i] as Float32Array<ArrayBuffer>;
      return tensorProto(name, tensors[i].shape, FLOAT, new Uint8Array(buffer, byteOffset, byteLength));
    });
    const graph = message(
      ...this.nodes.map((node): Field => [1, node]),
      [2, "image tower"],
      ...[...this.integers, ...weights].map((tensor): Field => [5, tensor]),
      ...this.inputs.map((input): Field => [11, input]),
      [12, valueInfo(output, shape)],
    );
    const opset = (domain: string, version: number): Field => [8, message([1, domain], [2, version])];
    return message([1, 8], [2, "coop-bench"], [7, graph], opset("", OPERATORS), opset("com.microsoft", 1));
  }

  private name(what: string): string {
    return `${what}-${this.count++}`;
  }
}

function attribute(name: string, value: Attributes[string]): Bytes {
  if (typeof value === "number") return message([1, name], [3, value], [20, 2]);
  if ("float" in value) return message([1, name], [2, value], [20, 1]);
  return message([1, name], ...value.map((one): Field => [8, one]), [20, 7]);
}

const tensorProto = (name: string, shape: readonly number[], type: number, data: Uint8Array): Bytes =>
  message(...shape.map((size): Field => [1, size]), [2, type], [8, name], [9, data]);

function valueInfo(name: string, shape: readonly number[]): Bytes {
  const dimensions = message(...shape.map((size): Field => [1, message([1, size])]));
  return message([1, name], [2, message([1, message([1, FLOAT], [2, dimensions])])]);
}
