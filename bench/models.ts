import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { wordLevelTokenizerJson } from "../src/clip/word-tokenizer.ts";
import { random } from "./data.ts";

/** Pictures for a model's image tower. */
export interface EncodeSizes {
  /** A preset of test/make-model.mjs. */
  readonly model: string;
  /** Pictures in a call. */
  readonly batch: number;
  /** Where ONNX Runtime computes. */
  readonly provider?: "webgpu" | "cpu";
}

const CACHE = join(tmpdir(), "coop-bench");

/** The folder of a model with pseudo-random weights, in OpenAI's layout. */
export const modelFolder = ({ model }: EncodeSizes): string => join(CACHE, model.replace("/", "-"));

/** Its image tower as ONNX, for a fixed number of pictures. */
export const onnxFile = (sizes: EncodeSizes): string => `${modelFolder(sizes)}-images-${sizes.batch}.onnx`;

/** Normalised pictures [batch, 3, side, side], the same for every library. */
export const pixels = ({ batch }: EncodeSizes, side: number) => random(7, batch * 3 * side * side, 1);

/** Makes the model where it is not there yet, and writes its image tower anew. */
export async function makeModel(sizes: EncodeSizes): Promise<void> {
  const folder = modelFolder(sizes);
  await mkdir(CACHE, { recursive: true });
  if (!existsSync(folder)) {
    const fresh = `${folder}.${process.pid}`;
    run(["../test/make-model.mjs", sizes.model, fresh, "--layout", "openai"]);
    const tokenizer = join(fresh, "tokenizer.json"); // loadClip wants one; pictures do not
    if (!existsSync(tokenizer)) await writeFile(tokenizer, JSON.stringify(wordLevelTokenizerJson(["picture"])));
    await rename(fresh, folder);
  }
  run(["--import", "tsx", "onnx/export.ts", folder, String(sizes.batch), onnxFile(sizes)]);
}

function run(args: string[]): void {
  const { status, stderr } = spawnSync(process.execPath, args, {
    cwd: fileURLToPath(new URL(".", import.meta.url)),
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`node ${args.join(" ")} failed: ${stderr.trim().split("\n").at(-1)}`);
}
