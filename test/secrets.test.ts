// What lets somebody in stands in no file and no message.
import assert from "node:assert/strict";
import { test } from "node:test";
import { modelName } from "../src/cli/model.ts";
import { withoutSecrets } from "../src/clip/http.ts";
import { shellCommand } from "../src/coop/run-card.ts";

const SIGNED = "https://files.example/clip?download=true&X-Amz-Signature=abc123&X-Amz-Credential=me%2F1&token=t0p";

test("addresses that are kept lose signatures and tokens, and nothing else", () => {
  const kept =
    "https://files.example/clip?download=true&X-Amz-Signature=left-out&X-Amz-Credential=left-out&token=left-out";
  assert.equal(withoutSecrets(SIGNED), kept);
  assert.equal(modelName(SIGNED), kept);
  assert.equal(shellCommand(["coop", "embed", "a b.png", "--model", SIGNED]), `coop embed 'a b.png' --model '${kept}'`);
  assert.doesNotMatch(shellCommand(["coop", `--model=${SIGNED}`]), /abc123|me%2F1|t0p/);
  for (const text of ["https://a.b/c?revision=main", "openai/clip-vit-base-patch32", "what? token=1", "./my?key=1", ""])
    assert.equal(withoutSecrets(text), text);
});
