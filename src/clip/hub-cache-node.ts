import { InputError } from "../tensor/errors.ts";
import { makeFolder } from "../tensor/folder-node.ts";
import { isCommit } from "./hub.ts";

/** Where Hugging Face's tools keep models and how they reach the hub, as the environment says. */
export interface HubPlace {
  readonly cache: string;
  readonly endpoint?: string;
  readonly offline: boolean;
  /** Seconds to wait for the hub's word on a file, and for the next bytes of one. */
  readonly patience: { readonly describe?: number; readonly download?: number };
  token(): Promise<string | undefined>;
}

export async function hubPlace(): Promise<HubPlace> {
  const { homedir } = await import("node:os");
  const { join } = await import("node:path");
  const { readFile } = await import("node:fs/promises");
  const env = (name: string) => process.env[name]?.trim() || undefined;
  const path = (name: string) => env(name)?.replace(/^~(?=$|[/\\])/, homedir());
  const isOn = (name: string) => /^(1|on|yes|true)$/i.test(env(name) ?? "");
  const seconds = (name: string) => (Number(env(name)) > 0 ? Number(env(name)) : undefined);
  const home = path("HF_HOME") ?? join(path("XDG_CACHE_HOME") ?? join(homedir(), ".cache"), "huggingface");
  return {
    cache: path("HF_HUB_CACHE") ?? path("HUGGINGFACE_HUB_CACHE") ?? join(home, "hub"),
    endpoint: env("HF_ENDPOINT"),
    offline: isOn("HF_HUB_OFFLINE") || isOn("TRANSFORMERS_OFFLINE"),
    patience: { describe: seconds("HF_HUB_ETAG_TIMEOUT"), download: seconds("HF_HUB_DOWNLOAD_TIMEOUT") },
    token: async () =>
      env("HF_TOKEN") ??
      env("HUGGING_FACE_HUB_TOKEN") ??
      (await readFile(path("HF_TOKEN_PATH") ?? join(home, "token"), "utf8").catch(() => "")).trim(),
  };
}

/**
 * One repository in the cache that Python's huggingface_hub keeps, too:
 * `blobs/<etag>`, `refs/<revision>`, `snapshots/<commit>/<file>` (links to blobs), `.no_exist/<commit>/<file>`.
 */
export interface RepoCache {
  readonly folder: string;
  blob(etag: string): string;
  /** The commit that a branch or tag stood for when it was last asked for. */
  commitOf(revision: string): Promise<string | undefined>;
  setCommit(revision: string, commit: string): Promise<void>;
  /** The path of a file that is in the cache. */
  find(commit: string, file: string): Promise<string | undefined>;
  /** Whether any file of a commit is in the cache. */
  hasCommit(commit: string): Promise<boolean>;
  isAbsent(commit: string, file: string): Promise<boolean>;
  /** Remembers that a commit has no such file. */
  setAbsent(commit: string, file: string): Promise<void>;
  /** Makes a blob a file of a commit; returns its path. */
  link(commit: string, file: string, etag: string): Promise<string>;
}

export async function repoCache(cache: string, repo: string): Promise<RepoCache> {
  const fs = await import("node:fs/promises");
  const { dirname, join, relative } = await import("node:path");
  const folder = join(cache, `models--${repo.replace("/", "--")}`);
  const ref = (revision: string) => join(folder, "refs", revision);
  const snapshot = (commit: string, ...file: string[]) => join(folder, "snapshots", commit, ...file);
  const marker = (commit: string, file: string) => join(folder, ".no_exist", commit, file);
  const isFile = async (path: string) => (await fs.stat(path).catch(() => undefined))?.isFile() ?? false;
  const commitOf = async (revision: string) => {
    const commit = (await fs.readFile(ref(revision), "utf8").catch(() => "")).trim();
    return isCommit(commit) ? commit : undefined;
  };
  /** `make` writes a path that nothing else uses, not among a model's files; it then takes the place of `path` at once. */
  const replace = async (path: string, make: (temporary: string) => Promise<void>) => {
    const temporary = join(folder, `.coop-${process.pid}-${Math.floor(Math.random() * 2 ** 32).toString(16)}`);
    await makeFolder(dirname(path));
    await sweep(folder);
    try {
      await make(temporary);
      await fs.rename(temporary, path);
    } finally {
      await fs.rm(temporary, { force: true });
    }
  };
  return {
    folder,
    blob: (etag) => join(folder, "blobs", etag),
    commitOf,
    // a cache that may only be read still serves what it has
    async setCommit(revision, commit) {
      if (revision === commit || (await commitOf(revision)) === commit) return;
      await replace(ref(revision), (path) => fs.writeFile(path, commit)).catch(() => {});
    },
    find: async (commit, file) => ((await isFile(snapshot(commit, file))) ? snapshot(commit, file) : undefined),
    hasCommit: async (commit) => (await fs.readdir(snapshot(commit)).catch(() => [])).length > 0,
    isAbsent: (commit, file) => isFile(marker(commit, file)),
    async setAbsent(commit, file) {
      const path = marker(commit, file);
      await makeFolder(dirname(path)).catch(() => {});
      await fs.writeFile(path, "").catch(() => {});
    },
    async link(commit, file, etag) {
      const path = snapshot(commit, file);
      const blob = join(folder, "blobs", etag);
      await replace(path, async (temporary) => {
        await fs
          .symlink(relative(dirname(path), blob), temporary, "file")
          .catch(() => fs.link(blob, temporary))
          .catch(() => fs.copyFile(blob, temporary));
      }).catch((error) => Promise.reject(unwritable(path, error)));
      return path;
    },
  };
}

/** Deletes what killed processes left of a repository's small files. */
async function sweep(folder: string): Promise<void> {
  const { readdir, rm } = await import("node:fs/promises");
  const { join } = await import("node:path");
  const { isAlive } = await import("./processes-node.ts");
  for (const name of await readdir(folder)) {
    const [, pid] = /^\.coop-(\d+)-/.exec(name) ?? [];
    if (pid !== undefined && !(await isAlive(Number(pid)))) await rm(join(folder, name), { force: true });
  }
}

/** Why a place cannot be written, for a person. Other errors are returned as they are. */
export function unwritable(path: string, error: unknown): unknown {
  const why: Record<string, string> = {
    ENOSPC: "the disk is full; free some space",
    EDQUOT: "your share of the disk is used up; free some space",
    EACCES: "writing there is not permitted",
    EPERM: "writing there is not permitted",
    EROFS: "that disk is read-only",
    ENOTDIR: "a part of the path is a file",
    EEXIST: "a part of the path is a file",
  };
  const text = why[(error as NodeJS.ErrnoException | undefined)?.code ?? ""];
  if (!text) return error;
  return new InputError(`${path}: ${text}, or choose another place for models with HF_HOME`, { cause: error });
}
