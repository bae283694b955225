import { compile, matmul, type Tensor, tensor } from "../../../src/index.ts";
import { random } from "../../data.ts";
import type { MakeWork } from "../../work-type.ts";

export const make: MakeWork<{ n: number; half?: boolean }> = async ({ n, half }) => {
  const [a, b] = [20, 21].map((stream) => tensor(random(stream, n * n, 1), [n, n], half ? "f16" : "f32"));
  const product = compile((x: Tensor, y: Tensor) => matmul(x, y), { name: "matmul" });
  let out: Tensor | undefined;
  return {
    call: () => {
      out?.free();
      out = product(a, b);
    },
    value: async () => (await out!.data())[0],
  };
};
