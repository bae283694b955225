import { random } from "../../data.ts";
import type { MakeWork } from "../../work-type.ts";
import { type Arr, jax, np, put, submit } from "./library.ts";

export const make: MakeWork<{ n: number; half?: boolean }> = async ({ n, half }) => {
  const [a, b] = [20, 21].map((stream) => {
    const full = put(random(stream, n * n, 1), [n, n]);
    return half ? full.astype(np.float16) : full;
  });
  const product = jax.jit((x: Arr, y: Arr) => np.matmul(x, y));
  let out: Arr | undefined;
  return {
    call: async () => {
      out?.dispose();
      out = product(a.ref, b.ref);
      await submit(out);
    },
    value: async () => (await out!.ref.astype(np.float32).data())[0],
  };
};
