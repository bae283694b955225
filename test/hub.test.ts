import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { HUB } from "../src/clip/hub.ts";
import * as browser from "../src/clip/hub-browser.ts";
import * as node from "../src/clip/hub-node.ts";
import { hubName, hubPage, OPENAI_MODELS, openClipName } from "../src/clip/model-names.ts";
import { sha256 } from "../src/clip/read-file.ts";
import { type Loading, type ModelFiles, modelFiles, urlFiles } from "../src/clip/source.ts";
import { FormatError, InputError } from "../src/tensor/errors.ts";
import { COMMIT, digest, type FakeHub, withHub } from "./fake-hub.ts";

const limit = { timeout: 30_000 };
const CONFIG = Buffer.from('{"model_type":"clip"}');
const WEIGHTS = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * i) >> 4));
const LATER = "2".repeat(40);
const REPO = "someone/clip-small";

const text = async (files: ModelFiles, file: string): Promise<Buffer | undefined> => {
  const open = await files.open(file);
  if (!open) return undefined;
  try {
    return Buffer.from(await open.read(0, open.size));
  } finally {
    await open.close?.();
  }
};

const fails = (promise: Promise<unknown>, ...patterns: (RegExp | string)[]) =>
  assert.rejects(promise, (error: Error) => {
    assert.ok(error instanceof InputError || error instanceof FormatError, `${error.stack}`);
    for (const pattern of patterns) assert.match(error.message, new RegExp(pattern));
    assert.ok(!error.message.includes("\n"));
    return true;
  });

async function setup(t: TestContext) {
  const { hub, home } = await withHub(t);
  hub.add(REPO, {
    "config.json": { body: CONFIG },
    "model.safetensors": { body: WEIGHTS, large: true },
    "onnx/model.onnx": { body: Buffer.from("nested"), large: true },
  });
  return { hub, home, cache: join(home, "hf", "hub", "models--someone--clip-small") };
}

test("a model of the hub is fetched once and kept as Hugging Face's tools keep it", limit, async (t) => {
  const { hub, cache } = await setup(t);
  const steps: Loading[] = [];
  const files = await modelFiles(REPO, { onProgress: (step) => steps.push(step) });
  assert.equal(files.name, REPO);
  assert.equal(files.layout, undefined);
  assert.deepEqual(await text(files, "config.json"), CONFIG);
  assert.deepEqual(await text(files, "model.safetensors"), WEIGHTS);
  assert.deepEqual(await text(files, "onnx/model.onnx"), Buffer.from("nested"));
  assert.equal(await files.open("preprocessor_config.json"), undefined);

  const total = CONFIG.length + WEIGHTS.length + 6;
  assert.deepEqual(steps.at(-1), { file: "onnx/model.onnx", loaded: total, total });
  assert.equal(readFileSync(join(cache, "refs/main"), "utf8"), COMMIT);
  const blobs = [digest(CONFIG, "sha1"), digest(WEIGHTS), digest(Buffer.from("nested"))];
  assert.deepEqual(readdirSync(join(cache, "blobs")).sort(), blobs.toSorted());
  const snapshot = join(cache, "snapshots", COMMIT);
  assert.deepEqual(readdirSync(snapshot).sort(), ["config.json", "model.safetensors", "onnx"]);
  assert.equal(readlinkSync(join(snapshot, "config.json")), `../../blobs/${blobs[0]}`);
  assert.equal(readlinkSync(join(snapshot, "onnx/model.onnx")), `../../../blobs/${blobs[2]}`);
  assert.equal(readFileSync(join(cache, ".no_exist", COMMIT, "preprocessor_config.json"), "utf8"), "");

  hub.seen.length = 0;
  const again = await modelFiles(REPO);
  for (const file of ["config.json", "model.safetensors", "onnx/model.onnx"]) assert.ok(await text(again, file));
  assert.equal(await again.open("preprocessor_config.json"), undefined);
  // one question for the commit that main stands for now, redirected once
  assert.deepEqual(
    hub.seen.map(({ method }) => method),
    ["HEAD", "HEAD"],
  );
  hub.seen.length = 0;
  const pinned = await modelFiles(`${REPO}@${COMMIT}`);
  assert.deepEqual(await text(pinned, "model.safetensors"), WEIGHTS);
  assert.equal(hub.seen.length, 0);
});

test(
  "all files are of one commit; a moved branch is noticed at the next load; a pinned one does not move",
  limit,
  async (t) => {
    const { hub, cache } = await setup(t);
    const first = await modelFiles(REPO);
    assert.deepEqual(await text(first, "config.json"), CONFIG);
    const moved = Buffer.from('{"moved":true}');
    hub.add(REPO, { "config.json": { body: moved }, "model.safetensors": { body: WEIGHTS, large: true } }, LATER);
    // the commit of the first file is gone from this hub: the second may not come from another
    await fails(text(first, "model.safetensors"), `has no revision "${COMMIT}"`);
    const second = await modelFiles(REPO);
    assert.deepEqual(await text(second, "config.json"), moved);
    assert.equal(readFileSync(join(cache, "refs/main"), "utf8"), LATER);
    const old = await modelFiles(REPO, { revision: COMMIT });
    assert.deepEqual(await text(old, "config.json"), CONFIG);
    await fails(text(await modelFiles(REPO, { revision: "v9" }), "config.json"), 'no revision "v9"');
    for (const revision of ["../main", "/etc", "a//b", "a/../b", ""])
      await fails(modelFiles(REPO, { revision }), "revision");
  },
);

test("a cache of Python's huggingface_hub is read, whatever its links are", limit, async (t) => {
  const { hub, cache } = await setup(t);
  const snapshot = join(cache, "snapshots", LATER);
  for (const folder of ["blobs", "refs", `snapshots/${LATER}`, `.no_exist/${LATER}`])
    mkdirSync(join(cache, folder), { recursive: true });
  writeFileSync(join(cache, "refs/main"), LATER);
  writeFileSync(join(cache, "blobs/abc"), CONFIG);
  symlinkSync("../../blobs/abc", join(snapshot, "config.json"));
  writeFileSync(join(snapshot, "model.safetensors"), "a copy where links are impossible");
  symlinkSync("../../blobs/gone", join(snapshot, "broken.json"));
  writeFileSync(join(cache, ".no_exist", LATER, "vocab.json"), "");
  process.env.HF_HUB_OFFLINE = "1";
  const files = await modelFiles(REPO);
  assert.deepEqual(await text(files, "config.json"), CONFIG);
  assert.match(`${await text(files, "model.safetensors")}`, /copy/);
  assert.equal(await files.open("vocab.json"), undefined);
  assert.equal(await files.open("broken.json"), undefined);
  assert.match(files.whyMissing!("broken.json")!, /broken\.json is not in the cache .*HF_HUB_OFFLINE/);
  assert.equal(hub.seen.length, 0);

  delete process.env.HF_HUB_OFFLINE;
  hub.add(REPO, { "broken.json": { body: CONFIG } }, LATER);
  assert.deepEqual(await text(await modelFiles(REPO), "broken.json"), CONFIG);
});

test("offline nothing is asked, and what is missing is named", limit, async (t) => {
  const { hub, cache } = await setup(t);
  await fails(text(await modelFiles(REPO, { offline: true }), "config.json"), "config.json is not in the cache", cache);
  for (const name of ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"]) {
    process.env[name] = "1";
    await fails(
      text(await modelFiles(REPO), "model.safetensors"),
      "model.safetensors is not in",
      "load the model once",
    );
    await fails(text(await modelFiles(`${REPO}@${COMMIT}`), "config.json"), "config.json is not in the cache");
    await fails(text(await modelFiles("RN50"), "RN50.pt"), "RN50.pt", "/clip/models/afeb0e");
    delete process.env[name];
  }
  assert.equal(hub.seen.length, 0);
  assert.ok(!existsSync(cache));
});

test("without a network the cache serves; without both, the host is named", limit, async (t) => {
  const { hub, cache } = await setup(t);
  assert.ok(await text(await modelFiles(REPO), "config.json"));
  hub.stop();
  const files = await modelFiles(REPO);
  assert.deepEqual(await text(files, "config.json"), CONFIG);
  assert.equal(await files.open("model.safetensors"), undefined);
  assert.match(files.whyMissing!("model.safetensors")!, /model\.safetensors is not in the cache .*cannot be reached/);
  assert.deepEqual(readdirSync(join(cache, "blobs")).length, 1);
  await fails(text(await modelFiles("someone/other"), "config.json"), "^someone/other: 127.0.0.1:.*cannot be reached");
});

test("a weights file that is cut, damaged or replaced by a page", limit, async (t) => {
  const { hub, cache } = await setup(t);
  hub.cuts.push(50_000, 100_000);
  hub.intercept = (request, response) => {
    if (!request.url!.startsWith("/lfs/") || !hub.seen.at(-1)!.range?.startsWith("bytes=150000")) return false;
    response.writeHead(206, { "content-range": "bytes 150000-199999/200000" }).end(Buffer.alloc(50_000, 1));
    return true;
  };
  await fails(text(await modelFiles(REPO), "model.safetensors"), "SHA-256", digest(WEIGHTS));
  assert.deepEqual(readdirSync(join(cache, "blobs")), []);
  assert.ok(!existsSync(join(cache, "snapshots", COMMIT, "model.safetensors")));

  hub.intercept = (request, response) => {
    if (!request.url!.startsWith("/lfs/")) return false;
    response.writeHead(200, { "content-type": "text/html" }).end("<html>Sign in");
    return true;
  };
  await fails(text(await modelFiles(REPO), "model.safetensors"), "web page", "proxy");
  hub.intercept = (_request, response) => {
    response.writeHead(200, { "content-type": "text/html", etag: '"abc"' }).end("<html>Sign in");
    return true;
  };
  await fails(text(await modelFiles("someone/else"), "config.json"), "does not answer as the hub does", "HF_ENDPOINT");
  hub.intercept = (_request, response) => {
    response.writeHead(200, { etag: '"../../../evil"', "x-repo-commit": COMMIT, "content-length": 1 }).end();
    return true;
  };
  await fails(text(await modelFiles("someone/else"), "config.json"), "does not answer as the hub does");
  assert.deepEqual(readdirSync(join(cache, "blobs")), []);

  hub.intercept = () => false;
  hub.cuts.push(50_000);
  assert.deepEqual(await text(await modelFiles(REPO), "model.safetensors"), WEIGHTS);
});

test("why the hub gives no model", limit, async (t) => {
  const { hub } = await setup(t);
  const open = async (source: string, options = {}) => text(await modelFiles(source, options), "config.json");
  await fails(open("no/such"), "^no/such: there is no such folder here", "no such public model", "HF_TOKEN");
  await fails(open("hf-hub:no/such"), "^hf-hub:no/such: 127");
  await fails(open("no/such", { token: "hf_secret" }), "the token may not see it");
  const answer = (status: number, code?: string) => {
    hub.intercept = (_request, response) => {
      response.writeHead(status, code ? { "x-error-code": code } : {}).end();
      return true;
    };
  };
  answer(401);
  await fails(open(REPO, { token: "hf_secret" }), "refuses the token");
  answer(403, "GatedRepo");
  await fails(open(REPO), "accepted its conditions", `${hub.endpoint}/${REPO}`, "HF_TOKEN");
  answer(418);
  await fails(open(REPO), "418");
  hub.seen.length = 0;
  answer(503);
  await fails(open(REPO), "503", "later");
  assert.equal(hub.seen.length, 5);
});

test("the token goes to the hub alone, and into no message", limit, async (t) => {
  const { hub, home } = await setup(t);
  mkdirSync(join(home, "hf"));
  writeFileSync(join(home, "hf/token"), "hf_of_the_file\n");
  const use = async (options = {}) => {
    hub.seen.length = 0;
    const files = await modelFiles(REPO, options);
    await text(files, "model.safetensors");
    unlinkSync(join(home, "hf/hub/models--someone--clip-small/snapshots", COMMIT, "model.safetensors"));
    unlinkSync(join(home, "hf/hub/models--someone--clip-small/blobs", digest(WEIGHTS)));
    assert.ok(hub.count({ on: "cdn" }) > 0);
    for (const { on, authorization } of hub.seen) if (on === "cdn") assert.equal(authorization, undefined);
    return new Set(hub.seen.filter(({ on }) => on === "hub").map(({ authorization }) => authorization));
  };
  assert.deepEqual(await use(), new Set(["Bearer hf_of_the_file"]));
  process.env.HF_TOKEN = "hf_of_the_environment";
  assert.deepEqual(await use(), new Set(["Bearer hf_of_the_environment"]));
  assert.deepEqual(await use({ token: "hf_option" }), new Set(["Bearer hf_option"]));
  assert.deepEqual(await use({ token: "" }), new Set([undefined]));
  for (const token of ["hf_se cret", "hf_se\ncret", "hf_secrét"])
    await assert.rejects(modelFiles(REPO, { token }), (error: Error) => {
      assert.ok(error instanceof InputError && /HF_TOKEN/.test(error.message) && !/hf_se/.test(error.message));
      return true;
    });
  hub.intercept = (request, response) => {
    response.writeHead(request.url!.startsWith("/lfs") ? 403 : 401).end();
    return true;
  };
  await assert.rejects(
    modelFiles("a/b", { token: "hf_secret" }).then((files) => files.open("config.json")),
    (error: Error) => !`${error.stack}${JSON.stringify(error)}`.includes("hf_secret"),
  );
});

test("no file outside the model is read or written", limit, async (t) => {
  const { hub, home } = await setup(t);
  const here = join(home, "model");
  mkdirSync(here);
  writeFileSync(join(home, "secret.json"), "{}");
  const sources = [await modelFiles(REPO), await modelFiles(here), urlFiles(hub.endpoint), await modelFiles("RN50")];
  for (const file of [
    "../secret.json",
    "/etc/passwd",
    "a/../../secret.json",
    "..\\secret.json",
    "C:\\x",
    "",
    "a//b",
    "x\0",
  ])
    for (const files of sources) await fails(files.open(file), "cannot be a file of a model");
  assert.equal(hub.seen.length, 0);
});

test("a cache that may only be read serves what it has", { ...limit, skip: process.getuid?.() === 0 }, async (t) => {
  const { hub, cache } = await setup(t);
  assert.ok(await text(await modelFiles(REPO), "config.json"));
  hub.add(REPO, { "config.json": { body: CONFIG } }, LATER);
  const allow = (mode: number) =>
    ["", "refs", "snapshots", "blobs"].forEach((folder) => chmodSync(join(cache, folder), mode));
  allow(0o555);
  try {
    await fails(text(await modelFiles(REPO), "config.json"), "not permitted", "HF_HOME");
    assert.deepEqual(await text(await modelFiles(REPO, { revision: COMMIT }), "config.json"), CONFIG);
  } finally {
    allow(0o755);
  }
});

test("two loads at once fetch each file once; an aborted one says why", limit, async (t) => {
  const { hub } = await setup(t);
  const load = async () => text(await modelFiles(REPO), "model.safetensors");
  const [a, b] = await Promise.all([load(), load()]);
  assert.deepEqual([a, b], [WEIGHTS, WEIGHTS]);
  assert.equal(hub.count({ on: "cdn", method: "GET" }), 1);
  const controller = new AbortController();
  const files = await modelFiles(REPO, { signal: controller.signal });
  hub.intercept = () => {
    controller.abort(new Error("changed my mind"));
    return true;
  };
  await assert.rejects(files.open("onnx/model.onnx"), /changed my mind/);
});

test("OpenAI's names: the hash is checked, an existing file is used, a damaged one replaced", limit, async (t) => {
  const { hub, home } = await setup(t);
  assert.deepEqual(Object.keys(OPENAI_MODELS).length, 9);
  for (const [name, { file, sha256 }] of Object.entries(OPENAI_MODELS)) {
    assert.match(sha256, /^[0-9a-f]{64}$/);
    assert.equal(file, `${name.replace(/[/@]/g, "-")}.pt`);
    assert.equal((await modelFiles(name)).weights, file);
  }
  const rn50 = await modelFiles("RN50");
  assert.deepEqual([rn50.name, rn50.layout], ["RN50", "openai"]);
  hub.weights.set(`/clip/models/${OPENAI_MODELS.RN50.sha256}/RN50.pt`, WEIGHTS);
  await fails(rn50.open("RN50.pt"), "SHA-256", digest(WEIGHTS), OPENAI_MODELS.RN50.sha256);
  assert.deepEqual(readdirSync(join(home, ".cache/clip")), []);

  const steps: Loading[] = [];
  process.env.HF_TOKEN = "hf_secret";
  const weights = { file: "tiny.pt", sha256: digest(WEIGHTS) };
  const files = await node.openAiFiles("tiny", weights, { onProgress: (step) => steps.push(step) });
  hub.weights.set(`/clip/models/${weights.sha256}/tiny.pt`, WEIGHTS);
  hub.seen.length = 0;
  assert.deepEqual(await text(files, "tiny.pt"), WEIGHTS);
  assert.equal(await files.open("config.json"), undefined);
  assert.deepEqual(steps.at(-1), { file: "tiny.pt", loaded: WEIGHTS.length, total: WEIGHTS.length });
  assert.equal(hub.seen[0].authorization, undefined);
  assert.deepEqual(readdirSync(join(home, ".cache/clip")), ["tiny.pt"]);
  const open = (await files.open("tiny.pt"))!;
  assert.equal(await sha256(open), weights.sha256);
  await open.close?.();
  assert.equal(hub.seen.length, 1);
  writeFileSync(join(home, ".cache/clip/tiny.pt"), WEIGHTS.subarray(0, 1000));
  assert.deepEqual(await text(files, "tiny.pt"), WEIGHTS);
  assert.equal(hub.seen.length, 2);
});

test("how names are understood", limit, async (t) => {
  const { home } = await setup(t);
  for (const good of ["openai/clip-vit-base-patch32", "a/b", "laion/CLIP-ViT-B-32-DataComp.XL-s13B-b90K", "a_b/c_d"])
    assert.deepEqual(hubName(good), { repo: good, revision: undefined });
  assert.deepEqual(hubName("a/b@v1.0"), { repo: "a/b", revision: "v1.0" });
  for (const bad of [
    "a",
    "a/b/c",
    "a/..",
    "../b",
    "a/.b",
    "a/b.",
    "-a/b",
    "a/b-",
    "a--b/c",
    "a/b..c",
    "a/b.git",
    "a/b c",
  ])
    assert.equal(hubName(bad), undefined, bad);
  for (const bad of ["a/b.ipynb", "/a/b", "a/", "/b", "", "a/b@", "a/b\n", "ä/b", `a/${"b".repeat(97)}`])
    assert.equal(hubName(bad), undefined, bad);
  assert.deepEqual(hubPage(`${HUB}/a/b`), { repo: "a/b", revision: undefined });
  assert.deepEqual(hubPage(`${HUB}/a/b/tree/v1`), { repo: "a/b", revision: "v1" });
  for (const other of [`${HUB}/a`, `${HUB}/a/b/resolve/main/x`, "https://elsewhere.org/a/b"])
    assert.equal(hubPage(other), undefined);

  const laion = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K";
  assert.deepEqual(openClipName(`open_clip:${laion}`), { repo: laion, revision: undefined });
  assert.deepEqual(openClipName(`hf-hub:${laion}`), { repo: laion, revision: undefined });
  assert.deepEqual(openClipName("open_clip:ViT-B-32/laion2b_s34b_b79k"), { repo: laion });
  assert.equal(openClipName("open_clip:ViT-L-14/openai"), OPENAI_MODELS["ViT-L/14"]);
  assert.equal((await modelFiles(`open_clip:${laion}`)).layout, "open_clip");
  assert.equal((await modelFiles("open_clip:ViT-L-14/openai")).weights, "ViT-L-14.pt");
  await fails(modelFiles("open_clip:ViT-H-14/laion2b"), "coop knows ViT-B-32/laion2b", "ViT-L-14/openai");
  await fails(modelFiles("open_clip:nothing"), "ORG/NAME");
  for (const odd of ["rn51", "models/../x", "no such thing", "a/b/c"])
    await fails(modelFiles(odd), "no such folder or file", "https://", "openai/clip-vit", "open_clip:", "RN50x64");

  const folder = join(home, "folder");
  mkdirSync(folder);
  writeFileSync(join(folder, "config.json"), CONFIG);
  writeFileSync(join(folder, "model.safetensors"), WEIGHTS);
  assert.deepEqual(await text(await modelFiles(folder), "config.json"), CONFIG);
  const file = await modelFiles(join(folder, "model.safetensors"));
  assert.deepEqual([file.weights, file.name], ["model.safetensors", join(folder, "model.safetensors")]);
  assert.deepEqual(await text(file, "config.json"), CONFIG);
  assert.deepEqual(await text(file, "model.safetensors"), WEIGHTS);
  await fails(modelFiles(join(folder, "config.json")), "no weights file by its name");
});

test("an address: a folder or a weights file, never a web page", limit, async (t) => {
  const { hub } = await setup(t);
  const routes: Record<string, [number, string, string]> = {
    "/m/config.json": [200, "application/json", "{}"],
    "/m/RN50.pt?download=true": [200, "application/octet-stream", "weights"],
    "/m/broken.json": [403, "text/plain", ""],
  };
  hub.intercept = (request, response) => {
    const [status, type, body] = routes[request.url!] ?? [200, "text/html", "<!doctype html>app"];
    if (request.url!.endsWith("absent.json")) response.writeHead(404).end();
    else response.writeHead(status, { "content-type": type }).end(body);
    return true;
  };
  for (const address of [`${hub.endpoint}/m`, `${hub.endpoint}/m/`, `${hub.endpoint}/m/RN50.pt?download=true`]) {
    const files = await modelFiles(address);
    assert.equal(`${await text(files, "config.json")}`, "{}");
    assert.equal(await files.open("absent.json"), undefined);
    assert.equal(files.whyMissing!("absent.json"), undefined);
    assert.equal(await files.open("model.safetensors"), undefined);
    assert.match(files.whyMissing!("model.safetensors")!, /web page/);
    await fails(files.open("broken.json"), "/m/broken.json: the server answered 403");
  }
  const one = await modelFiles(`${hub.endpoint}/m/RN50.pt?download=true`);
  assert.equal(one.weights, "RN50.pt");
  assert.equal(`${await text(one, "RN50.pt")}`, "weights");
});

test("the command line fetches a model, shows it, and then needs no network", { timeout: 120_000 }, async (t) => {
  const { hub } = await setup(t);
  const folder = join(import.meta.dirname, "../models/tiny-clip");
  const files = readdirSync(folder).map((file) => [file, { body: readFileSync(join(folder, file)), large: true }]);
  hub.add("someone/tiny", Object.fromEntries(files));
  const main = join(import.meta.dirname, "../src/cli/main.ts");
  const coop = (...words: string[]) =>
    new Promise<{ stdout: string; stderr: string }>((resolve, reject) => {
      const options = { timeout: 60_000, env: { ...process.env, COOP_MODEL: "someone/tiny", CI: "1" } };
      execFile(process.execPath, ["--import", "tsx", main, ...words], options, (error, stdout, stderr) =>
        error ? reject(error) : resolve({ stdout, stderr }),
      );
    });
  const embed = ["embed", "--text", "a cat", "--json"];
  const first = await coop(...embed, "--model", "someone/tiny@main");
  assert.match(first.stderr, /^fetch model\.safetensors 2\/3 MB.*\nfetch model\.safetensors .* s, 3 MB$/m);
  hub.stop();
  const second = await coop(...embed);
  assert.equal(second.stdout, first.stdout);
  assert.ok(!second.stderr.includes("fetch"));
  assert.equal((await coop(...embed, "--model", folder)).stdout, first.stdout);
});

/** Cache Storage as far as the hub uses it. */
function fakeCaches(t: TestContext, full = false) {
  const entries = new Map<string, Response>();
  const cache = {
    match: async (key: string) => entries.get(key)?.clone(),
    put: async (key: string, response: Response) => {
      if (full) throw new DOMException("no room", "QuotaExceededError");
      entries.set(key, response);
    },
  };
  const before = Object.getOwnPropertyDescriptor(globalThis, "caches");
  Object.defineProperty(globalThis, "caches", { value: { open: async () => cache }, configurable: true });
  t.after(() => {
    if (before) Object.defineProperty(globalThis, "caches", before);
    else Reflect.deleteProperty(globalThis, "caches");
  });
  return entries;
}

const inBrowser = (hub: FakeHub, options = {}) =>
  browser.hubFiles({ repo: REPO, name: REPO }, { endpoint: hub.endpoint, ...options });

test("in a browser: checked files are kept, and serve without a network", limit, async (t) => {
  const { hub, home } = await setup(t);
  const kept = fakeCaches(t);
  const steps: Loading[] = [];
  const files = await inBrowser(hub, { onProgress: (step: Loading) => steps.push(step) });
  assert.deepEqual(await text(files, "config.json"), CONFIG);
  hub.cuts.push(1e6, 70_000); // the pointer comes whole, the file does not
  assert.deepEqual(await text(files, "model.safetensors"), WEIGHTS);
  assert.equal(await files.open("absent.json"), undefined);
  const total = CONFIG.length + WEIGHTS.length;
  assert.deepEqual(steps.at(-1), { file: "model.safetensors", loaded: total, total });
  assert.equal(kept.size, 3);
  assert.ok(!existsSync(join(home, "hf")));

  hub.seen.length = 0;
  const again = await inBrowser(hub);
  assert.deepEqual(await text(again, "config.json"), CONFIG);
  assert.deepEqual(await text(again, "model.safetensors"), WEIGHTS);
  assert.equal(hub.seen.length, 1);
  const offline = await inBrowser(hub, { offline: true });
  assert.deepEqual(await text(offline, "model.safetensors"), WEIGHTS);
  assert.equal(await offline.open("absent.json"), undefined);
  assert.match(offline.whyMissing!("absent.json")!, /absent\.json is not kept/);
  assert.equal(hub.seen.length, 1);
});

test("in a browser: nothing damaged is kept, and a full or missing store does no harm", limit, async (t) => {
  const { hub } = await setup(t);
  const kept = fakeCaches(t);
  hub.intercept = (request, response) => {
    if (!request.url!.startsWith("/lfs/")) return false;
    response.writeHead(200).end(Buffer.alloc(WEIGHTS.length));
    return true;
  };
  await fails(text(await inBrowser(hub), "model.safetensors"), "SHA-256");
  assert.deepEqual([...kept.keys()], [`${hub.endpoint}/${REPO}/refs/main`]);
  hub.intercept = () => false;
  fakeCaches(t, true);
  assert.deepEqual(await text(await inBrowser(hub), "model.safetensors"), WEIGHTS);
  Object.defineProperty(globalThis, "caches", { value: undefined, configurable: true });
  assert.deepEqual(await text(await inBrowser(hub), "model.safetensors"), WEIGHTS);
  await fails(text(await inBrowser(hub, { revision: "v9" }), "config.json"), 'no revision "v9"');
  await fails(
    browser.hubFiles({ repo: "no/such", name: "no/such" }, { endpoint: hub.endpoint }).then((f) => f.open("x")),
    "no such public model",
  );

  const entries = fakeCaches(t);
  const weights = { file: "tiny.pt", sha256: digest(WEIGHTS) };
  hub.weights.set(`/clip/models/${weights.sha256}/tiny.pt`, WEIGHTS);
  const files = await browser.openAiFiles("tiny", weights, { endpoint: hub.endpoint });
  hub.seen.length = 0;
  for (let i = 0; i < 2; i++) assert.deepEqual(await text(files, "tiny.pt"), WEIGHTS);
  assert.equal(hub.seen.length, 1);
  assert.equal(entries.size, 1);
});

test("caches of another place", limit, async (t) => {
  const { home } = await setup(t);
  const kept = async () => {
    await text(await modelFiles(REPO), "config.json");
    return (folder: string) => existsSync(join(home, folder, "models--someone--clip-small/refs/main"));
  };
  process.env.HF_HUB_CACHE = "~/own";
  assert.ok((await kept())("own"));
  delete process.env.HF_HUB_CACHE;
  delete process.env.HF_HOME;
  process.env.XDG_CACHE_HOME = join(home, "xdg");
  assert.ok((await kept())("xdg/huggingface/hub"));
  delete process.env.XDG_CACHE_HOME;
  assert.ok((await kept())(".cache/huggingface/hub"));
  process.env.HF_ENDPOINT = "not an address";
  await fails(modelFiles(REPO), "HF_ENDPOINT");
});
