// CoCoOp's logits, loss and gradients against what PyTorch computes from the same weights (test/goldens/README.md).
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { valueAndGrad } from "../src/autograd/index.ts";
import { type ConditionalParams, conditionalPromptLearner } from "../src/coop/index.ts";
import { compile, read, tensor } from "../src/tensor/index.ts";
import { golden, goldenFolder, goldenModel, relativeError } from "./golden-model.ts";

const FORWARD = 2e-5;
const GRADIENT = 5e-5;

for (const [preset, layout] of [
  ["tiny-vit", "hf"],
  ["odd-vit", "hf"],
  ["tiny-rn", "openai"],
  ["ViT-B-32", "hf"],
  ["RN50", "openai"],
] as const) {
  const folder = goldenFolder(preset);
  test(`cocoop-4 of ${preset}`, {
    skip: folder ? false : `no goldens of ${preset} beside this checkout`,
    timeout: 240_000,
  }, async () => {
    const clip = await goldenModel(preset === "ViT-B-32" ? "ViT-B/32" : preset, layout);
    const cases = JSON.parse(readFileSync(join(folder!, "cases.json"), "utf8")) as { class_names: string[] };
    const arrays = await golden(folder!, "cocoop-4");
    const array = (name: string) => tensor(arrays.get(name)!.data, arrays.get(name)!.shape);
    const linear = (name: string) => ({ weight: array(`${name}.weight`), bias: array(`${name}.bias`) });
    const params: ConditionalParams = {
      context: array("ctx"),
      metaNet: { linear1: linear("linear1"), linear2: linear("linear2") },
    };
    const batch = { features: array("features"), labels: tensor(Int32Array.from(arrays.get("labels")!.data)) };
    const learner = conditionalPromptLearner(clip, cases.class_names, { contextTokens: 4 });
    const all = compile((p: ConditionalParams) => ({
      logits: learner.logits(p, batch),
      loss: valueAndGrad(learner.loss)(p, batch),
    }));
    const result = await read(all(params));
    const [loss, { context, metaNet }] = result.loss;
    const expected = arrays.get("loss")!.data[0];
    assert.ok(Math.abs(loss[0] - expected) < FORWARD * Math.max(1, expected), `loss ${loss[0]}, expected ${expected}`);
    for (const [name, computed, allowed] of [
      ["logits", result.logits, FORWARD],
      ["grad_ctx", context, GRADIENT],
      ["grad_linear1.weight", metaNet.linear1.weight, GRADIENT],
      ["grad_linear1.bias", metaNet.linear1.bias, GRADIENT],
      ["grad_linear2.weight", metaNet.linear2.weight, GRADIENT],
      ["grad_linear2.bias", metaNet.linear2.bias, GRADIENT],
    ] as const) {
      const error = relativeError(computed, arrays.get(name)!.data);
      assert.ok(error < allowed, `${name} is off by ${error}`);
    }
    all.free();
    clip.free();
  });
}
