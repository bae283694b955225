import { FormatError, InputError } from "../tensor/errors.ts";
import { oneLine } from "./bytes.ts";
import { type Answer, type Asking, ask, StatusError } from "./http.ts";
import { checkRevision, type HubName } from "./model-names.ts";
import { Watch } from "./patience.ts";
import type { FetchOptions, Layout } from "./source.ts";

export const HUB = "https://huggingface.co";
export const OPENAI = "https://openaipublic.azureedge.net";

/** A model of the hub, as a person asked for it. */
export interface HubModel extends HubName {
  /** As it was given. */
  readonly name: string;
  readonly layout?: Layout;
}

/** How the hub is reached. */
export interface Access extends Pick<Asking, "token" | "signal"> {
  readonly endpoint: string;
  /** Seconds to wait for what the hub says of a file. */
  readonly patience?: number;
}

/** What the hub says of a file. */
export interface Described {
  /** The commit that the revision stands for. */
  readonly commit: string;
  /** Names the content; undefined where the repository has no such file. */
  readonly etag?: string;
  readonly size?: number;
  /** In hexadecimal, for files in large-file storage. */
  readonly sha256?: string;
}

export const isCommit = (revision: string): boolean => /^[0-9a-f]{40}$/.test(revision);

export const revisionOf = (model: HubModel, options: FetchOptions): string =>
  checkRevision(options.revision ?? model.revision ?? "main");

/** The address of a file; `how` is "raw" for what git itself holds, which for a large file is a pointer to it. */
export function fileAddress(
  endpoint: string,
  repo: string,
  revision: string,
  file: string,
  how: "resolve" | "raw" = "resolve",
): string {
  const path = file.split("/").map(encodeURIComponent).join("/");
  return `${endpoint}/${repo}/${how}/${encodeURIComponent(revision)}/${path}`;
}

/** Asks the hub about a file without fetching it. */
export async function describe(access: Access, model: HubModel, revision: string, file: string): Promise<Described> {
  const url = fileAddress(access.endpoint, model.repo, revision, file);
  const watch = new Watch(access.patience ?? 10, access.signal);
  try {
    const answer = await ask(url, { method: "HEAD", token: access.token, signal: watch.signal });
    const { response, header } = answer;
    if (response.status >= 400) return { commit: absentAt(answer, access, model, revision) };
    const commit = header("x-repo-commit") ?? "";
    const linked = header("x-linked-etag");
    const etag = (linked ?? response.headers.get("etag") ?? "").replace(/^W\//, "").replaceAll('"', "");
    if (!isCommit(commit) || !/^\w[\w.-]*$/.test(etag))
      throw new FormatError(
        `${new URL(url).host} does not answer as the hub does (for ${file} of ${model.repo}); check HF_ENDPOINT, and that no proxy asks you to sign in`,
      );
    // a redirect's own length is not the file's
    const length = header("x-linked-size") ?? (response.ok ? response.headers.get("content-length") : null);
    const size = length !== null && /^\d+$/.test(length) ? Number(length) : undefined;
    return { commit, etag, size, sha256: linked !== null && /^[0-9a-f]{64}$/.test(etag) ? etag : undefined };
  } finally {
    watch.stop();
  }
}

/** The commit of a repository that answered that it has no such file; an error where something else was wrong. */
export function absentAt(answer: Answer, access: Access, model: HubModel, revision: string): string {
  const { status } = answer.response;
  const commit = answer.header("x-repo-commit") ?? (isCommit(revision) ? revision : "");
  const code = answer.header("x-error-code");
  if (status === 404 && isCommit(commit) && (code === null || code === "EntryNotFound")) return commit;
  throw refusal(answer, access, model, revision);
}

/** Why the hub does not give a model, and what to do. */
function refusal(answer: Answer, { endpoint, token }: Access, model: HubModel, revision: string): Error {
  const { status } = answer.response;
  const code = answer.header("x-error-code");
  const host = new URL(endpoint).host;
  const name = oneLine(model.name);
  if (code === "RevisionNotFound")
    return new InputError(`${name}: ${model.repo} on ${host} has no revision "${revision}"`);
  if (status === 403 || code === "GatedRepo")
    return new InputError(
      `${name}: ${host} gives it only to those who accepted its conditions: do so on ${endpoint}/${model.repo}, then set HF_TOKEN to a token of yours`,
    );
  const nowhere = model.name.split("@")[0] === model.repo ? "there is no such folder here, and " : "";
  if (status === 401 && token)
    return new InputError(`${name}: ${nowhere}${host} refuses the token; check HF_TOKEN and the name`);
  if (status === 401 || status === 404) {
    const hint = token ? "the token may not see it" : "it asks for a token: set HF_TOKEN";
    return new InputError(`${name}: ${nowhere}${host} has no such public model, or ${hint}`);
  }
  return new StatusError(`${endpoint}/${model.repo}`, answer);
}
