// Features, logits, losses and gradients against what PyTorch computes from the same weights (test/goldens/README.md).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { valueAndGrad } from "../src/autograd/index.ts";
import { type Clip, similarityLogits, textBatch } from "../src/clip/index.ts";
import { promptLearner } from "../src/coop/prompt-learner.ts";
import { compile, device, read, tensor } from "../src/tensor/index.ts";
import { type GoldenArray, golden, goldenFolder, goldenModel, relativeError } from "./golden-model.ts";

const FORWARD = 2e-5;
const GRADIENT = 5e-5;

interface Cases {
  readonly texts: string[];
  readonly class_names: string[];
  readonly cases: Record<
    string,
    { method: string; context: string; position: "end" | "middle" | "front"; context_tokens: number; loss: number }
  >;
}

const asTensor = ({ data, shape }: GoldenArray) => tensor(data, shape);

await device();
const MODELS = [
  ["tiny-vit", "hf"],
  ["tiny-vit", "openai"],
  ["odd-vit", "hf"],
  ["tiny-rn", "openai"],
  ["ViT-B-32", "hf"],
  ["ViT-B-32", "openai"],
  ["RN50", "openai"],
] as const;
for (const [preset, layout] of MODELS) {
  const folder = goldenFolder(preset);
  describe(`${preset} in the layout ${layout}`, {
    skip: folder ? false : `no goldens of ${preset} beside this checkout`,
  }, () => {
    if (!folder) return;
    const cases = JSON.parse(readFileSync(join(folder, "cases.json"), "utf8")) as Cases;
    let model: Promise<Clip> | undefined;
    const load = () => (model ??= goldenModel(preset === "ViT-B-32" ? "ViT-B/32" : preset, layout));

    test("clip: features and logits", { timeout: 180_000 }, async () => {
      const clip = await load();
      const arrays = await golden(folder, "clip");
      const rows = clip.tokenize(cases.texts);
      assert.deepEqual([...rows.ids], [...arrays.get("token_ids")!.data]);
      const images = clip.encodeImage(asTensor(arrays.get("image")!));
      const texts = clip.encodeText(rows);
      const logits = similarityLogits(images, texts, clip.params.logitScale);
      const [i, t, l] = (await read([images, texts, logits])) as Float32Array[];
      assert.ok(relativeError(i, arrays.get("image_features")!.data) < FORWARD);
      assert.ok(relativeError(t, arrays.get("text_features")!.data) < FORWARD);
      assert.ok(relativeError(l, arrays.get("logits_per_image")!.data) < FORWARD);
    });

    // the same parameters give the same prompts: once is enough
    if (layout === "openai" && preset !== "tiny-rn" && preset !== "RN50") return;
    for (const [name, { method, context, position, context_tokens, loss: expected }] of Object.entries(cases.cases)) {
      if (method !== "coop") continue;
      test(`${name}: text features, logits, loss and gradient`, { timeout: 300_000 }, async () => {
        const clip = await load();
        const arrays = await golden(folder, name);
        const learner = promptLearner(clip, cases.class_names, {
          contextTokens: context_tokens,
          position,
          classSpecific: context === "class-specific",
        });
        const batch = {
          features: asTensor(arrays.get("features")!),
          labels: tensor(Int32Array.from(arrays.get("labels")!.data)),
        };
        const all = compile((params: { context: ReturnType<typeof tensor> }) => ({
          texts: learner.textFeatures(params),
          logits: learner.logits(params, batch),
          loss: valueAndGrad(learner.loss)(params, batch),
        }));
        const result = await read(all({ context: asTensor(arrays.get("ctx")!) }));
        const [loss, gradient] = result.loss;
        assert.ok(relativeError(result.texts, arrays.get("text_features")!.data) < FORWARD);
        assert.ok(relativeError(result.logits, arrays.get("logits")!.data) < FORWARD);
        assert.ok(
          Math.abs(loss[0] - expected) < FORWARD * Math.max(1, expected),
          `loss ${loss[0]}, expected ${expected}`,
        );
        assert.ok(relativeError(gradient.context, arrays.get("grad_ctx")!.data) < GRADIENT);
        all.free();
      });
    }
  });
}

test("rows cut behind the last end token give the features of full rows", { timeout: 60_000 }, async () => {
  const clip = await goldenModel("tiny-vit");
  const rows = clip.tokenize(["a photo of a dog", "x"]);
  const cut = textBatch(rows, clip.tokenizer);
  assert.deepEqual(cut.ids.shape, [1 + 6 + 2]); // the start token is shared
  const plain = promptLearner(clip, ["dog", "pho"], { contextTokens: 4, plain: true });
  const short = promptLearner(clip, ["dog", "pho"], { contextTokens: 4 });
  const context = tensor(
    Float32Array.from({ length: 4 * 64 }, (_, i) => Math.sin(i)),
    [4, 64],
  );
  const [a, b] = (await read([plain.textFeatures({ context }), short.textFeatures({ context })])) as Float32Array[];
  assert.ok(relativeError(b, a) < 1e-6);
});
