/**
 * Compares coop with what CLIP's texts and pictures went through, run by Python: OpenAI's steps from text to token ids
 * (`pip install tokenizers ftfy regex`) and Pillow (`pip install pillow`).
 *
 *   npm run reference -- texts tokenizer.json [--count 10000] [--seed 1] [--python python3]
 *   npm run reference -- pictures FOLDER [--size 224] [--python python3]
 *
 * Adds to reliability/reference.json; fails where a token id differs from OpenAI's, or where a picture differs by more than 1 of 255.
 */
import { spawnSync } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { readPicture } from "../src/clip/picture.ts";
import { centreCrop, resizeShortSide } from "../src/clip/preprocess.ts";
import { loadTokenizer } from "../src/clip/tokenizer.ts";
import { writeFileAtomic } from "../src/coop/atomic.ts";
import { textsOf } from "./reference/texts.ts";

const OUT = "reliability/reference.json";
const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    count: { type: "string", default: "10000" },
    seed: { type: "string", default: "1" },
    size: { type: "string", default: "224" },
    python: { type: "string", default: "python3" },
  },
});

/** What a Python script prints, given this on its standard input. */
function python(script: string, input: string): Buffer {
  const file = fileURLToPath(new URL(`reference/${script}`, import.meta.url));
  const { status, stdout, stderr } = spawnSync(flags.python, [file], { input, maxBuffer: 2 ** 30, timeout: 600_000 });
  if (status !== 0) throw new Error(`${flags.python} ${script}: ${String(stderr).trim().slice(-300)}`);
  return stdout;
}

type Ids = readonly (readonly number[])[];
/** By the tokenizers package; by OpenAI's steps; by these without the repair of garbled encodings, which coop leaves out. */
type By = "tokenizers" | "openai" | "openaiButGarbled";

async function texts(file: string) {
  const [count, seed] = [Number(flags.count), Number(flags.seed)];
  const json = await readFile(file, "utf8");
  const [plain, cleaning] = [await loadTokenizer(json, { clean: false }), await loadTokenizer(json)];
  const kinds: Record<string, { texts: number; tokens: number } & Record<By, number>> = {};
  for (const [kind, drawn] of Object.entries(textsOf(count, seed))) {
    const given = JSON.stringify({ tokenizer: file, texts: drawn });
    const told: Record<By, Ids> & { texts: string[] } = JSON.parse(String(python("texts.py", given)));
    const list = told.texts;
    const others = (tokenizer: typeof plain, ids: Ids) =>
      list.filter((text, i) => tokenizer.encode(text).join() !== ids[i].join());
    const [left, wrong] = [others(cleaning, told.openai), others(cleaning, told.openaiButGarbled)];
    for (const text of wrong) console.log(`${kind}: ${JSON.stringify(text)}`);
    kinds[kind] = {
      texts: list.length,
      tokens: told.openai.reduce((sum, ids) => sum + ids.length, 0),
      tokenizers: list.length - others(plain, told.tokenizers).length,
      openai: list.length - left.length,
      openaiButGarbled: list.length - wrong.length,
    };
  }
  const ok = Object.values(kinds).every(({ texts, openaiButGarbled }) => texts === openaiButGarbled);
  return { result: { seed, same: kinds }, ok };
}

async function pictures(folder: string) {
  const size = Number(flags.size);
  const names = (await readdir(folder)).filter((name) => /\.(jpe?g|png|webp)$/i.test(name)).sort();
  let unreadable = 0;
  const found: { most: number; mean: number }[] = [];
  for (const name of names) {
    const file = join(folder, name);
    const picture = await readPicture(file).catch(() => undefined);
    if (!picture) {
      unreadable++;
      continue;
    }
    const ours = centreCrop(resizeShortSide(picture, size), size).data;
    const theirs = python("pictures.py", JSON.stringify({ file, size }));
    const distances = Array.from(ours, (value, i) => Math.abs(value - theirs[i]));
    const most = distances.reduce((a, b) => Math.max(a, b), 0);
    found.push({ most, mean: distances.reduce((a, b) => a + b, 0) / ours.length });
    if (most > 0) console.log(`${name}: at most ${most} of 255`);
  }
  const result = {
    size,
    pictures: found.length,
    equal: found.filter(({ most }) => most === 0).length,
    mostOf255: Math.max(...found.map(({ most }) => most)),
    largestMeanOf255: Number(Math.max(...found.map(({ mean }) => mean)).toFixed(4)),
    unreadable,
  };
  return { result, ok: result.mostOf255 <= 1 };
}

const [what, where] = positionals;
const parts: Record<string, (where: string) => Promise<{ result: object; ok: boolean }>> = { texts, pictures };
if (!parts[what] || !where) throw new Error("what is compared? texts TOKENIZER.json, or pictures FOLDER");
const { result, ok } = await parts[what](where);
const before = JSON.parse(await readFile(OUT, "utf8").catch(() => "{}"));
await writeFileAtomic(OUT, `${JSON.stringify({ ...before, [what]: result }, null, 2)}\n`);
console.log(JSON.stringify(result, null, 2));
if (!ok) process.exitCode = 1;
