// Loading a model never holds it twice: the peak of a process of its own, on a device whose memory is the host's.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { wordLevelTokenizerJson } from "../src/clip/word-tokenizer.ts";
import { makeModel } from "./make-model.mjs";

const LOAD = `
  const [clip, tensor] = await Promise.all([
    import(${JSON.stringify(join(import.meta.dirname, "../src/clip/index.ts"))}),
    import(${JSON.stringify(join(import.meta.dirname, "../src/tensor/index.ts"))}),
  ]);
  await tensor.device();
  const before = process.memoryUsage().rss;
  const { params } = await clip.loadClip(process.argv[1]);
  console.log(JSON.stringify({ before, peak: 1024 * process.resourceUsage().maxRSS }));
  tensor.free(params);
`;

test("peak memory while ViT-B/32 loads", { timeout: 180_000 }, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "coop-memory-"));
  try {
    makeModel("ViT-B/32", dir, "openai", "/nowhere");
    writeFileSync(join(dir, "tokenizer.json"), JSON.stringify(wordLevelTokenizerJson(["dog"])));
    const { size } = statSync(join(dir, "model.safetensors"));
    const stdout = await new Promise<string>((resolve, reject) => {
      const words = ["--import", "tsx", "--input-type=module", "-e", LOAD, dir];
      execFile(process.execPath, words, { timeout: 120_000 }, (error, out) => (error ? reject(error) : resolve(out)));
    });
    const { before, peak } = JSON.parse(stdout);
    const factor = (peak - before) / size;
    t.diagnostic(
      `${(before / 1e6).toFixed(0)} MB before, then ${factor.toFixed(2)} × the file of ${(size / 1e6).toFixed(0)} MB`,
    );
    assert.ok(factor < 1.3, `the peak is ${factor} × the file above what the process had`);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
