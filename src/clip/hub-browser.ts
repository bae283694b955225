import { FormatError, InputError } from "../tensor/errors.ts";
import { type ByteSource, blobBytes, oneLine } from "./bytes.ts";
import { BlobSink, type Delivery, receive } from "./download.ts";
import { checkFileName } from "./file-name.ts";
import { StatusError, shown } from "./http.ts";
import { absentAt, fileAddress, HUB, type HubModel, isCommit, OPENAI, revisionOf } from "./hub.ts";
import type { OpenAiWeights } from "./model-names.ts";
import { Unreachable } from "./patience.ts";
import { sha256 } from "./read-file.ts";
import { type FetchOptions, type ModelFiles, tally } from "./source.ts";

/** What a page keeps between visits: checked files by their addresses. */
interface Store {
  get(key: string): Promise<Blob | undefined>;
  put(key: string, body: Blob | string): Promise<void>;
}

const STORE = "coop-models";

/** Cache Storage, or nothing where a page has none or it is full. */
async function openStore(): Promise<Store> {
  const cache = await globalThis.caches?.open(STORE).catch(() => undefined);
  return {
    get: async (key) => (await cache?.match(key).catch(() => undefined))?.blob(),
    put: async (key, body) => cache?.put(key, new Response(body)).catch(() => {}),
  };
}

/** The files of a model of the hub, kept in the browser's Cache Storage. */
export async function hubFiles(
  model: HubModel,
  options: FetchOptions & { readonly endpoint?: string } = {},
): Promise<ModelFiles> {
  const { endpoint = HUB, signal, offline } = options;
  const store = await openStore();
  const revision = revisionOf(model, options);
  const token = options.token ? { value: options.token.trim(), origin: new URL(endpoint).origin } : undefined;
  const access = { endpoint, token, signal };
  const ref = `${endpoint}/${model.repo}/refs/${revision}`;
  const count = tally(options.onProgress);
  const fetched = new Map<string, { commit: string; body?: Blob }>();
  let cachedOnly = offline === true;
  let commit: Promise<string> | undefined;

  /** What git holds: a small file itself, or the pointer to a large one. */
  const raw = async (at: string, file: string): Promise<{ commit: string; body?: Blob }> => {
    const sink = new BlobSink();
    const url = fileAddress(endpoint, model.repo, at, file, "raw");
    try {
      const answer = await receive({ url, token, signal }, sink);
      const commit = answer?.header("x-repo-commit") ?? at;
      if (!isCommit(commit)) throw new FormatError(`${shown(url)}: the hub does not say which commit this is`);
      return { commit, body: sink.whole() };
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      return { commit: absentAt(error.answer, access, model, at) };
    }
  };

  const resolve = async (file: string): Promise<string> => {
    if (isCommit(revision)) return revision;
    const known = await (await store.get(ref))?.text();
    try {
      if (cachedOnly) throw new Unreachable("the network is not to be used");
      const answer = await raw(revision, file);
      fetched.set(file, answer);
      await store.put(ref, answer.commit);
      return answer.commit;
    } catch (error) {
      if (!(known && error instanceof Unreachable)) throw error;
      cachedOnly = true;
      return known;
    }
  };

  return {
    name: model.name,
    layout: model.layout,
    whyMissing: (file) =>
      cachedOnly
        ? `${oneLine(model.name)}: ${file} is not kept in this browser, and the network is not used`
        : undefined,
    async open(file) {
      checkFileName(file);
      commit ??= resolve(file).catch((error) => {
        commit = undefined;
        throw error;
      });
      const at = await commit;
      const url = fileAddress(endpoint, model.repo, at, file);
      const kept = await store.get(url);
      if (kept) return blobBytes(kept, url);
      if (cachedOnly) return undefined;
      const { body } = fetched.get(file) ?? (await raw(at, file));
      fetched.delete(file);
      if (!body) return undefined;
      const pointer = await readPointer(body);
      const onBytes = count(file, pointer?.size ?? body.size);
      if (!pointer) onBytes(body.size, body.size);
      const source = pointer && (await fetchChecked({ url, token, signal, onBytes, ...pointer }));
      await store.put(url, source?.blob ?? body);
      return source ?? blobBytes(body, url);
    },
  };
}

/** Weights that OpenAI published, kept in the browser's Cache Storage. */
export async function openAiFiles(
  name: string,
  { file: weights, sha256 }: OpenAiWeights,
  options: FetchOptions & { readonly endpoint?: string } = {},
): Promise<ModelFiles> {
  const url = `${options.endpoint ?? OPENAI}/clip/models/${sha256}/${weights}`;
  const store = await openStore();
  const count = tally(options.onProgress);
  return {
    name,
    layout: "openai",
    weights,
    async open(file) {
      checkFileName(file);
      if (file !== weights) return undefined;
      const kept = await store.get(url);
      if (kept) return blobBytes(kept, url);
      if (options.offline)
        throw new InputError(`${name}: ${weights} is not kept in this browser, and the network is not to be used`);
      const source = await fetchChecked({ url, sha256, signal: options.signal, onBytes: count(file) });
      await store.put(url, source.blob);
      return source;
    },
  };
}

async function fetchChecked(
  delivery: Delivery & { sha256: string },
): Promise<ByteSource & { readonly sha256: string; readonly blob: Blob }> {
  const sink = new BlobSink();
  await receive(delivery, sink);
  const blob = sink.whole();
  const source = blobBytes(blob, delivery.url);
  const hash = await sha256(source);
  if (hash !== delivery.sha256)
    throw new FormatError(
      `${shown(delivery.url)}: what came has the SHA-256 ${hash}, but the file's is ${delivery.sha256}; try again later`,
    );
  return { ...source, sha256: hash, blob };
}

/** What a pointer of git's large-file storage says; undefined for any other file. */
async function readPointer(body: Blob): Promise<{ sha256: string; size: number } | undefined> {
  if (body.size > 1024) return undefined;
  const text = await body.text();
  const [, sha256] = /^oid sha256:([0-9a-f]{64})$/m.exec(text) ?? [];
  const [, size] = /^size (\d+)$/m.exec(text) ?? [];
  if (!text.startsWith("version https://git-lfs") || !sha256 || !size) return undefined;
  return { sha256, size: Number(size) };
}
