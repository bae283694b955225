// What is killed: each journey on drawn pictures and the tiny CLIP, small enough to be run a hundred times.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fileBytes } from "../../src/clip/bytes.ts";
import { openSafetensors } from "../../src/clip/index.ts";
import { parseResults } from "../../src/coop/experiments/index.ts";
import { readPrompt } from "../../src/coop/run-folder.ts";
import { captionFor, trainingPair } from "../../src/world/index.ts";
import { drawFolder } from "../../test/drawn-folder.ts";
import { SMALL_CONFIG } from "../../test/small-config.ts";
import type { Journey } from "./campaign.ts";
import { run } from "./child.ts";
import { downloads } from "./downloads.ts";
import { drawPicture } from "./pictures.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const RUN_FILES = [
  "README.md",
  "adapter_config.json",
  "adapter_model.safetensors",
  "metrics.jsonl",
  "report.html",
  "splits.json",
];
const EPOCHS = 12;

const sha256 = (...parts: readonly (string | Uint8Array)[]): string => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
};
const coop = (folder: string, cache: string, ...words: readonly string[]) => ({
  words: [MAIN, ...words],
  env: { COOP_NO_CACHE: "", COOP_CACHE: cache },
  under: folder,
});
const untimed = (path: string): string => readFileSync(path, "utf8").replaceAll(/"seconds":[^,}]+/g, "");
const wholeTensors = async (path: string): Promise<void> => {
  if (!existsSync(path)) return;
  const source = await fileBytes(path);
  await openSafetensors(source).finally(source.close);
};
const wholeCheckpoints = async (folder: string): Promise<void> => {
  for (const name of ["checkpoint", "checkpoint.next", "checkpoint.previous"])
    await wholeTensors(join(folder, `${name}.safetensors`));
};
const entries = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);

/** All journeys, whose pictures lie in `root`; `stop` ends what they need. */
export async function openJourneys(root: string): Promise<{ journeys: readonly Journey[]; stop(): void }> {
  await drawFolder(join(root, "pictures"), { perClass: 4 });
  const learned = join(root, "learned");
  const flags = ["--shots", "2", "--context-tokens", "2", "--epochs", `${EPOCHS}`, "--save-every", "1"];
  const cache = join(root, "cache");
  const train = (folder: string, ...more: string[]) =>
    coop(folder, cache, "train", join(root, "pictures"), ...flags, ...more);
  const made = await run(train(root, "--out", learned));
  if (made.code !== 0) throw new Error(made.stderr);
  const { hub, journey: download } = await downloads();
  return {
    journeys: [
      trainJourney(train),
      benchJourney(root, cache),
      download,
      await indexJourney(root),
      exportJourney(learned),
      await pretrainJourney(root),
    ],
    stop: () => hub.stop(),
  };
}

const trainJourney = (train: (folder: string, ...flags: string[]) => ReturnType<typeof coop>): Journey => ({
  name: "train",
  async prepare() {},
  program(folder) {
    const out = join(folder, "run");
    const begun = existsSync(out) || entries(`${out}.partial`).length > 0;
    return train(folder, begun ? "--resume" : "--out", out);
  },
  async whole(folder) {
    const out = join(folder, "run");
    await wholeCheckpoints(`${out}.partial`);
    if (!existsSync(out)) return;
    assert.deepEqual(readdirSync(out).sort(), RUN_FILES);
    await readPrompt(out);
  },
  async result(folder) {
    assert.deepEqual(
      readdirSync(folder).filter((name) => !name.includes(".tmp-")),
      ["run"],
    );
    return sha256(
      readFileSync(join(folder, "run/adapter_model.safetensors")),
      untimed(join(folder, "run/metrics.jsonl")),
    );
  },
});

const benchJourney = (root: string, cache: string): Journey => {
  const results = (folder: string) => join(folder, "out/results.jsonl");
  return {
    name: "bench",
    async prepare(folder) {
      const methods = [{ kind: "zero-shot" }, { kind: "coop", contextTokens: 2, epochs: 3 }];
      const datasets = [{ name: "above", source: join(root, "pictures") }];
      writeFileSync(join(folder, "spec.json"), JSON.stringify({ datasets, shots: [1, 2], seeds: [1, 2], methods }));
    },
    program: (folder) =>
      coop(join(folder, "out"), cache, "bench", join(folder, "spec.json"), "--out", join(folder, "out")),
    async whole(folder) {
      if (existsSync(results(folder))) parseResults(readFileSync(results(folder), "utf8"));
      const report = join(folder, "out/report.html");
      if (existsSync(report)) assert.match(readFileSync(report, "utf8"), /<\/html>\s*$/);
    },
    async result(folder) {
      assert.deepEqual(
        entries(join(folder, "out"))
          .filter((name) => !name.includes(".tmp-"))
          .sort(),
        ["report.html", "results.jsonl"],
      );
      return sha256(untimed(results(folder)));
    },
  };
};

/** An index is brought up to date; a kill leaves the old one or the new one. */
async function indexJourney(root: string): Promise<Journey> {
  const pictures = join(root, "indexed");
  await mkdir(pictures);
  const old = join(root, "old.safetensors");
  const index = (folder: string) => join(folder, "index.safetensors");
  const program = (folder: string, out: string) => coop(folder, join(folder, "cache"), "index", pictures, "--out", out);
  for (let i = 0; i < 6; i++) await drawPicture(join(pictures, `${i}.png`), i);
  const made = index(root);
  const first = await run(program(root, made));
  if (first.code !== 0) throw new Error(first.stderr);
  copyFileSync(made, old);
  for (let i = 6; i < 9; i++) await drawPicture(join(pictures, `${i}.png`), i);
  let fresh: Buffer | undefined;
  return {
    name: "index",
    async prepare(folder) {
      copyFileSync(old, index(folder));
    },
    program: (folder) => program(folder, index(folder)),
    async whole(folder) {
      const bytes = readFileSync(index(folder));
      const [before, after] = [readFileSync(old), fresh].map((one) => one !== undefined && bytes.equals(one));
      assert.ok(before || after, "neither the old index nor the new one");
    },
    async result(folder) {
      fresh ??= readFileSync(index(folder));
      assert.deepEqual(
        entries(folder)
          .filter((name) => !name.includes(".tmp-"))
          .sort(),
        ["cache", "index.safetensors"],
      );
      return sha256(readFileSync(index(folder)));
    },
  };
}

const exportJourney = (learned: string): Journey => {
  const file = (folder: string) => join(folder, "model.pth.tar-5");
  let whole: Buffer | undefined;
  return {
    name: "export",
    async prepare() {},
    // what is there already is refused, not written over
    program: (folder) =>
      existsSync(file(folder))
        ? { words: ["-e", ""], env: {}, under: folder }
        : coop(folder, "", "export", learned, "--out", file(folder)),
    async whole(folder) {
      if (existsSync(file(folder))) assert.ok(readFileSync(file(folder)).equals(whole!));
    },
    async result(folder) {
      whole ??= readFileSync(file(folder));
      return sha256(readFileSync(file(folder)));
    },
  };
};

async function pretrainJourney(root: string): Promise<Journey> {
  const pairs = join(root, "pairs");
  await mkdir(pairs);
  const rows = ["file_name,caption"];
  for (let i = 0; i < 24; i++) {
    await drawPicture(join(pairs, `${i}.png`), i);
    rows.push(`${i}.png,"${captionFor(trainingPair(5, i).latent, 5, 0, false)}"`);
  }
  writeFileSync(join(pairs, "pairs.csv"), rows.join("\n"));
  writeFileSync(join(pairs, "small.json"), SMALL_CONFIG);
  const flags = ["--config", join(pairs, "small.json"), "--epochs", "4", "--batch", "8", "--save-every", "1"];
  const out = (folder: string) => join(folder, "model");
  return {
    name: "pretrain",
    async prepare() {},
    program(folder) {
      const begun = entries(out(folder)).some((name) => /^checkpoint\..*safetensors$/.test(name));
      const more = begun ? ["--resume"] : [];
      return coop(folder, "", "pretrain", join(pairs, "pairs.csv"), "--out", out(folder), ...flags, ...more);
    },
    async whole(folder) {
      await wholeCheckpoints(out(folder));
      await wholeTensors(join(out(folder), "model.safetensors"));
    },
    result: async (folder) =>
      sha256(readFileSync(join(out(folder), "model.safetensors")), untimed(join(out(folder), "metrics.jsonl"))),
  };
}
