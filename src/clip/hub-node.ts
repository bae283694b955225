import { InputError } from "../tensor/errors.ts";
import { fileBytes, oneLine } from "./bytes.ts";
import { download } from "./download-node.ts";
import { checkFileName } from "./file-name.ts";
import { shown } from "./http.ts";
import {
  type Access,
  type Described,
  describe,
  fileAddress,
  HUB,
  type HubModel,
  isCommit,
  OPENAI,
  revisionOf,
} from "./hub.ts";
import { type HubPlace, hubPlace, repoCache } from "./hub-cache-node.ts";
import type { OpenAiWeights } from "./model-names.ts";
import { Patience, Unreachable } from "./patience.ts";
import { sha256 } from "./read-file.ts";
import { type FetchOptions, type ModelFiles, type OpenFile, tally } from "./source.ts";

/** The files of a model of the hub, kept in the cache that Hugging Face's own tools use. */
export async function hubFiles(model: HubModel, options: FetchOptions = {}): Promise<ModelFiles> {
  const place = await hubPlace();
  const access = await accessTo(place, options);
  const cache = await repoCache(place.cache, model.repo);
  const revision = revisionOf(model, options);
  const offline = options.offline ?? place.offline;
  const described = new Map<string, Described>();
  const count = tally(options.onProgress);
  let unreachable: Unreachable | undefined;
  let commit: Promise<string> | undefined;

  const notHere = (file: string) => {
    const why = unreachable
      ? `${unreachable.message.split(";")[0]}`
      : "the network is not to be used (offline, HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE)";
    return `${oneLine(model.name)}: ${file} is not in the cache (${cache.folder}), and ${why}; load the model once with the network, or copy that folder from a machine that has it`;
  };

  const ask = async (at: string, file: string, tries?: number): Promise<Described> => {
    const patience = new Patience({ tries, signal: options.signal });
    const answer = await patience.until(() => describe(access, model, at, file));
    described.set(file, answer);
    return answer;
  };

  /** Asked once, so that all files are of one commit. */
  const resolve = async (file: string): Promise<string> => {
    if (isCommit(revision)) return revision;
    const known = await cache.commitOf(revision);
    if (offline) {
      if (known) return known;
      throw new InputError(notHere(file));
    }
    try {
      const { commit } = await ask(revision, file, known ? 1 : undefined);
      await cache.setCommit(revision, commit);
      return commit;
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      if (!known) throw new Unreachable(`${oneLine(model.name)}: ${error.message}`, { cause: error });
      unreachable = error;
      return known;
    }
  };

  return {
    name: model.name,
    layout: model.layout,
    whyMissing: (file) => (offline || unreachable ? notHere(file) : undefined),
    async open(file) {
      checkFileName(file);
      options.signal?.throwIfAborted();
      commit ??= resolve(file).catch((error) => {
        commit = undefined;
        throw error;
      });
      const at = await commit;
      const path = await cache.find(at, file);
      if (path) return fileBytes(path);
      if (await cache.isAbsent(at, file)) return undefined;
      if (offline || unreachable) {
        if (await cache.hasCommit(at)) return undefined;
        throw new InputError(notHere(file));
      }
      const { etag, size, sha256 } = described.get(file) ?? (await ask(at, file));
      if (etag === undefined) {
        await cache.setAbsent(at, file);
        return undefined;
      }
      const blob = cache.blob(etag);
      const isThere = () => hasSize(blob, size);
      const url = fileAddress(access.endpoint, model.repo, at, file);
      const delivery = { url, size, sha256, isThere, token: access.token, signal: options.signal };
      if (!(await isThere()))
        await download(blob, { ...delivery, patience: place.patience.download, onBytes: count(file, size) });
      return fileBytes(await cache.link(at, file, etag));
    },
  };
}

async function accessTo(place: HubPlace, options: FetchOptions): Promise<Access> {
  const endpoint = (place.endpoint ?? HUB).replace(/\/+$/, "");
  if (!URL.canParse(endpoint) || !/^https?:/.test(endpoint))
    throw new InputError(`HF_ENDPOINT is ${oneLine(endpoint)}; give an address such as ${HUB}`);
  const value = (options.token ?? (await place.token()))?.trim();
  if (value && !/^[\x21-\x7e]+$/.test(value))
    throw new InputError("The token for the hub has characters that no token has; check HF_TOKEN");
  const token = value ? { value, origin: new URL(endpoint).origin } : undefined;
  return { endpoint, token, patience: place.patience.describe, signal: options.signal };
}

async function hasSize(path: string, size: number | undefined): Promise<boolean> {
  const { stat } = await import("node:fs/promises");
  const info = await stat(path).catch(() => undefined);
  return info?.isFile() === true && (size === undefined || info.size === size);
}

/** Weights that OpenAI published, kept where OpenAI's own package keeps them: `~/.cache/clip`. */
export async function openAiFiles(
  name: string,
  { file: weights, sha256: expected }: OpenAiWeights,
  options: FetchOptions = {},
): Promise<ModelFiles> {
  const { homedir } = await import("node:os");
  const { join } = await import("node:path");
  const place = await hubPlace();
  const path = join(homedir(), ".cache", "clip", weights);
  const base = process.env.COOP_OPENAI_ENDPOINT || OPENAI;
  const url = `${base.replace(/\/+$/, "")}/clip/models/${expected}/${weights}`;
  const count = tally(options.onProgress);

  const openCached = async (): Promise<OpenFile | undefined> => {
    if (!(await hasSize(path, undefined))) return undefined;
    const file = await fileBytes(path);
    const hash = await sha256(file);
    if (hash === expected) return { ...file, sha256: hash };
    await file.close();
    return undefined;
  };

  return {
    name,
    layout: "openai",
    weights,
    async open(file) {
      checkFileName(file);
      options.signal?.throwIfAborted();
      if (file !== weights) return undefined;
      const cached = await openCached();
      if (cached) return cached;
      if (options.offline ?? place.offline)
        throw new InputError(
          `${name}: ${path} is not there or is damaged, and the network is not to be used; fetch ${shown(url)} to that place`,
        );
      const isThere = async () => {
        const file = await openCached();
        await file?.close?.();
        return file !== undefined;
      };
      const { signal } = options;
      const patience = place.patience.download;
      await download(path, { url, sha256: expected, isThere, signal, patience, onBytes: count(file) });
      return { ...(await fileBytes(path)), sha256: expected };
    },
  };
}
