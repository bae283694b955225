// A model that is fetched from a slow hub on this machine, with a token that must be written nowhere.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { FakeHub } from "../../test/fake-hub.ts";
import type { Journey } from "./campaign.ts";

const REPO = "drawn/model";
const TOKEN = "hf_that_is_written_nowhere";
const FETCH = fileURLToPath(new URL("./fetch.ts", import.meta.url));
const PIECE = 2 ** 16;
const PAUSE = 4; // milliseconds
const small = Buffer.from(JSON.stringify({ model_type: "clip" }));
const large = Buffer.from(Array.from({ length: 2 ** 21 }, (_, i) => (i * 2654435761) >>> 24));
const FILES: Readonly<Record<string, Buffer>> = { "config.json": small, "model.safetensors": large };

export async function downloads(): Promise<{ hub: FakeHub; journey: Journey }> {
  const hub = await new FakeHub().start();
  hub.add(REPO, { "config.json": { body: small }, "model.safetensors": { body: large, large: true } });
  hub.intercept = (request, response, { on, range }) => {
    if (on === "hub" || request.method !== "GET") return false;
    const start = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
    if (start >= large.length) return false;
    const about = range ? { "content-range": `bytes ${start}-${large.length - 1}/${large.length}` } : {};
    const etag = `"${createHash("sha256").update(large).digest("hex")}"`;
    response.writeHead(range ? 206 : 200, { etag, "content-length": large.length - start, ...about });
    let at = start;
    const timer = setInterval(() => {
      response.write(large.subarray(at, (at += PIECE)));
      if (at < large.length) return;
      clearInterval(timer);
      response.end();
    }, PAUSE);
    response.on("close", () => clearInterval(timer));
    return true;
  };
  const home = (folder: string) => join(folder, "hf");
  const journey: Journey = {
    name: "download",
    async prepare() {},
    program: (folder) => ({
      words: [FETCH, REPO, ...Object.keys(FILES)],
      env: { HOME: folder, HF_HOME: home(folder), HF_ENDPOINT: hub.endpoint, HF_TOKEN: TOKEN },
      under: folder,
    }),
    async whole(folder) {
      for (const [path, bytes] of filesIn(home(folder))) {
        assert.ok(!bytes.includes(TOKEN), `${path} holds the token`);
        const [, name] = /snapshots\/[^/]+\/([^/]+)$/.exec(path) ?? [];
        if (name && name in FILES) assert.ok(bytes.equals(FILES[name]), path);
        if (/blobs\/[0-9a-f]+$/.test(path))
          assert.ok(
            [small, large].some((one) => bytes.equals(one)),
            path,
          );
      }
    },
    async result(folder) {
      const found = filesIn(home(folder)).filter(([path]) => path.includes("/snapshots/"));
      return found
        .map(([path, bytes]) => `${path.slice(folder.length)} ${createHash("sha256").update(bytes).digest("hex")}`)
        .sort()
        .join("\n");
    },
  };
  return { hub, journey };
}

/** All files below a folder; links are followed where they lead somewhere. */
function filesIn(folder: string): [path: string, bytes: Buffer][] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((path) => existsSync(path) && !lstatSync(path).isDirectory())
    .map((path) => [path, readFileSync(path)]);
}
