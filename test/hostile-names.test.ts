import assert from "node:assert/strict";
import fs, { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve, sep } from "node:path";
import { after, before, test } from "node:test";
import { memoryBytes } from "../src/clip/bytes.ts";
import { checkFileName } from "../src/clip/file-name.ts";
import { hubName } from "../src/clip/model-names.ts";
import { openWeights } from "../src/clip/open-weights.ts";
import { folderFiles, modelFiles } from "../src/clip/source.ts";
import { openTorchFile } from "../src/clip/torch.ts";
import { writeRunFolder } from "../src/coop/atomic.ts";
import { openData } from "../src/coop/datasets/open.ts";
import { openPairs } from "../src/coop/pairs.ts";
import { openWalk } from "../src/coop/walk.ts";
import { CoopError } from "../src/tensor/errors.ts";
import { hostileNames } from "./hostile-names.ts";
import { archive, member } from "./tar-writer.ts";
import * as torch from "./torch-writer.ts";
import { torchZip, zip } from "./torch-writer.ts";

/*
 * A folder with a canary beside it: whatever a name says that comes out of a file, nothing is opened, made or changed
 * outside of the folder. Every call of the file system that opens or changes something is watched.
 */

const home = realpathSync(mkdtempSync(join(tmpdir(), "coop-names-")));
const root = join(home, "deep", "root");
const CANARY = "nobody may read this";
const NAMES = hostileNames(join(home, "canary.txt"));
const touched = new Set<string>();

/** The functions of node:fs that read, make or change a file, with the number of paths that they take. */
const WATCHED: Readonly<Record<string, number>> = { open: 1, readFile: 1, writeFile: 1, appendFile: 1, mkdir: 1, rm: 1, rmdir: 1, unlink: 1, rename: 2, copyFile: 2, link: 2, symlink: 2, truncate: 1, utimes: 1, createReadStream: 1, createWriteStream: 1, openSync: 1, readFileSync: 1, writeFileSync: 1, readdir: 1 }; // biome-ignore format: one row
const originals: [object, string, unknown][] = [];

before(() => {
  mkdirSync(join(root, "sub"), { recursive: true });
  mkdirSync(join(home, "canary"));
  for (const at of [home, join(home, "deep")]) writeFileSync(join(at, "canary.txt"), CANARY);
  writeFileSync(join(home, "canary", "model.safetensors"), CANARY);
  for (const name of ["a.jpg", "b.jpg", "sub/c.jpg", "sub/d.jpg"]) writeFileSync(join(root, name), name);
  symlinkSync(join(home, "canary.txt"), join(root, "link.jpg"));
  symlinkSync(home, join(root, "linked"));
  symlinkSync(root, join(root, "loop"));
  for (const object of [fs, fs.promises] as unknown as Record<string, (...args: unknown[]) => unknown>[])
    for (const [name, paths] of Object.entries(WATCHED)) {
      const original = object[name];
      if (!original) continue;
      originals.push([object, name, original]);
      object[name] = (...args: unknown[]) => {
        for (const path of args.slice(0, paths)) if (typeof path === "string") touched.add(path);
        return original.apply(object, args);
      };
    }
  syncBuiltinESMExports();
});

after(() => {
  for (const [object, name, original] of originals) (object as Record<string, unknown>)[name] = original;
  syncBuiltinESMExports();
  rmSync(home, { recursive: true, force: true });
});

/** What was touched outside of the folder and under its home, links followed. */
function outside(): string[] {
  const real = (path: string): string => {
    try {
      return realpathSync(path);
    } catch {
      return path === dirname(path) ? path : join(real(dirname(path)), path.slice(dirname(path).length));
    }
  };
  return [...touched].filter((path) => {
    const at = real(resolve(path));
    const ours = at === root || at.startsWith(root + sep);
    const programs = /node_modules|\/src\//.test(at) || at.startsWith(join(tmpdir(), "tsx-")); // what is imported meanwhile
    return !ours && !programs;
  });
}

/** Runs something with each name; only coop's own errors may come, and nothing outside may be touched. */
async function withNames(run: (name: string, i: number) => Promise<unknown>): Promise<void> {
  for (const [i, name] of NAMES.entries()) {
    touched.clear();
    await run(name, i).catch((error: unknown) => {
      if (!(error instanceof CoopError)) throw new Error(`${JSON.stringify(name)}: ${error}`, { cause: error });
    });
    assert.deepEqual(outside(), [], JSON.stringify(name));
  }
}

test("there are over a hundred hostile names", () => {
  assert.ok(new Set(NAMES).size > 100, `${NAMES.length}`);
});

test("a model's folder gives no file of another", async () => {
  const files = await folderFiles(root);
  await withNames(async (name) => {
    if (/^link(ed)?\b|^loop/.test(name)) return; // a cache of models is made of links
    const file = await files.open(name);
    await file?.close?.();
  });
  const climbing = NAMES.filter((name) => /(^|[/\\])\.\.([/\\]|$)|^[/\\]|^[a-z]:/i.test(name));
  for (const name of [...climbing, "CON", "nul.txt", "a/AUX", "x. ", "x.", "a/.. "])
    assert.throws(() => checkFileName(name), CoopError, JSON.stringify(name));
});

test("an index of shards names only files beside it", async () => {
  await withNames(async (name) => {
    writeFileSync(join(root, "model.safetensors.index.json"), JSON.stringify({ weight_map: { w: name } }));
    const weights = await openWeights(await folderFiles(root));
    await weights.close();
  });
});

test("a model's name never becomes a path in the cache that leads out of it", async () => {
  const { HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE } = process.env;
  Object.assign(process.env, { HF_HOME: root, HF_HUB_CACHE: join(root, "hub"), HF_HUB_OFFLINE: "1" });
  try {
    await withNames(async (name) => {
      for (const source of [`org/${name}`, `${name}/x`, `org/x@${name}`, `open_clip:${name}`, `hf-hub:org/${name}`]) {
        if (/^(file|https?):/.test(source) || fs.existsSync(source)) continue;
        await modelFiles(source, { offline: true })
          .then((files) => files.open("config.json"))
          .catch((error) => assert.ok(error instanceof CoopError, `${JSON.stringify(source)}: ${error}`));
      }
      const found = hubName(`org/${name}`);
      if (found) assert.match(found.repo, /^org\/[\w.-]+$/);
    });
  } finally {
    for (const [key, value] of Object.entries({ HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE }))
      if (value === undefined) delete process.env[key];
      else process.env[key] = value;
  }
});

test("lists of pictures give none from outside", async () => {
  const row = (name: string) => JSON.stringify({ image: name, label: "x", caption: "a cat" });
  await withNames(async (name) => {
    const lines = [row(name), row("a.jpg"), JSON.stringify({ image: "b.jpg", label: "x", caption: "c" })];
    writeFileSync(join(root, "list.jsonl"), [...lines, ...["sub/c.jpg", "sub/d.jpg"].map((image) => JSON.stringify({ image, label: "y", caption: "d" }))].join("\n")); // biome-ignore format: one row
    const folder = await openData(join(root, "list.jsonl"));
    for (const { path } of [...folder.train, ...folder.val, ...folder.test])
      assert.equal(readFileSync(join(folder.root, path), "utf8"), path);
    assert.ok(touched.has(join(root, "list.jsonl")), "the watch does not see what is opened");
    const pairs = await openPairs(join(root, "list.jsonl"));
    for (let i = 0; i < pairs.count; i++) {
      const { image } = await pairs.at(i);
      assert.notEqual(readFileSync(image as string, "utf8"), CANARY);
    }
  });
});

test("a table and a split file give none either", async () => {
  await withNames(async (name) => {
    const quoted = `"${name.replaceAll('"', '""')}"`;
    writeFileSync(join(root, "list.csv"), `image,label,caption\n${quoted},x,a\na.jpg,x,b\nb.jpg,x,c\nsub/c.jpg,y,d\nsub/d.jpg,y,e\n`); // biome-ignore format: one row
    for (const pair of (await openPairs(join(root, "list.csv"))).captions) assert.ok(pair);
    const folder = await openData(join(root, "list.csv"));
    assert.ok(folder.train.every(({ path }) => readFileSync(join(folder.root, path), "utf8") !== CANARY));
  });
  await withNames(async (name) => {
    const split = { train: [[name, 0, "x"], ["a.jpg", 0, "x"], ["sub/c.jpg", 1, "y"]], val: [], test: [["b.jpg", 0, "x"]] }; // biome-ignore format: one row
    writeFileSync(join(root, "split.json"), JSON.stringify(split));
    const folder = await openData(join(root, "split.json"));
    assert.ok(folder.train.every(({ path }) => readFileSync(join(folder.root, path), "utf8") !== CANARY));
  });
});

test("members of archives are never files", async () => {
  await withNames(async (name) => {
    const bytes = archive(member(`${name}.jpg`.slice(-90), "p"), member(`${name}.txt`.slice(-90), "a caption"));
    writeFileSync(join(root, "x.tar"), bytes);
    const pairs = await openPairs(join(root, "x.tar"));
    assert.equal(new TextDecoder().decode((await pairs.at(0)).image as Uint8Array), "p");
  });
  const root6 = torch.dict({ w: torch.tensor(torch.storage("FloatStorage", "0", 6), [6], [1]) });
  await withNames(async (name) => {
    const odd: [string, Uint8Array] = [name.slice(0, 60_000), new Uint8Array(3)];
    const data: [string, Uint8Array][] = [["m/data.pkl", torch.pickle(root6)], ["m/data/0", new Uint8Array(24)], odd];
    await openTorchFile(memoryBytes(zip(data), "f.pt"));
  });
  await withNames(
    (name) =>
    openTorchFile(memoryBytes(torchZip(torch.dict({ w: torch.tensor(torch.storage("FloatStorage", name, 6), [6], [1]) }), { [name]: new Uint8Array(24) }), "f.pt")), // biome-ignore format: one row
  );
});

test("a run's files have plain names", async () => {
  await withNames(async (name) => writeRunFolder(join(root, "run"), new Map([[name, "x"]])));
  assert.ok(
    !fs.existsSync(join(root, "run")) || fs.readdirSync(join(root, "run")).every((name) => /^[\w.-]+$/.test(name)),
  );
});

test("a walk through a folder stays in it", async () => {
  touched.clear();
  const walk = await openWalk(root);
  const found = await walk.pictures("");
  assert.deepEqual(found, ["a.jpg", "b.jpg", "sub/c.jpg", "sub/d.jpg"]);
  assert.deepEqual(outside(), []);
});

test("the canaries are as they were", () => {
  for (const path of ["canary.txt", "deep/canary.txt", "canary/model.safetensors"])
    assert.equal(readFileSync(join(home, path), "utf8"), CANARY);
  assert.deepEqual(fs.readdirSync(home).sort(), ["canary", "canary.txt", "deep"]);
  assert.deepEqual(fs.readdirSync(join(home, "deep")).sort(), ["canary.txt", "root"]);
});
