import { InputError } from "../tensor/errors.ts";
import { oneLine } from "./bytes.ts";

/** Weights that OpenAI published: the file's name and its SHA-256, which is also a part of its address. */
export interface OpenAiWeights {
  readonly file: string;
  readonly sha256: string;
}

/** OpenAI's own names of its CLIP models. */
export const OPENAI_MODELS: Readonly<Record<string, OpenAiWeights>> = {
  RN50: { file: "RN50.pt", sha256: "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762" },
  RN101: { file: "RN101.pt", sha256: "8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599" },
  RN50x4: { file: "RN50x4.pt", sha256: "7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd" },
  RN50x16: { file: "RN50x16.pt", sha256: "52378b407f34354e150460fe41077663dd5b39c54cd0bfd2b27167a4a06ec9aa" },
  RN50x64: { file: "RN50x64.pt", sha256: "be1cfb55d75a9666199fb2206c106743da0f6468c9d327f3e0d0a543a9919d9c" },
  "ViT-B/32": { file: "ViT-B-32.pt", sha256: "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af" },
  "ViT-B/16": { file: "ViT-B-16.pt", sha256: "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f" },
  "ViT-L/14": { file: "ViT-L-14.pt", sha256: "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836" },
  "ViT-L/14@336px": {
    file: "ViT-L-14-336px.pt",
    sha256: "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02",
  },
};

/** The best known of open_clip's pretrained names, ARCHITECTURE/TAG, and the hub's repositories that hold them. */
const OPEN_CLIP_MODELS: Readonly<Record<string, string>> = {
  "ViT-B-32/laion2b_s34b_b79k": "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
  "ViT-B-32/datacomp_xl_s13b_b90k": "laion/CLIP-ViT-B-32-DataComp.XL-s13B-b90K",
  "ViT-B-16/laion2b_s34b_b88k": "laion/CLIP-ViT-B-16-laion2B-s34B-b88K",
  "ViT-B-16/datacomp_xl_s13b_b90k": "laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K",
  "ViT-L-14/laion2b_s32b_b82k": "laion/CLIP-ViT-L-14-laion2B-s32B-b82K",
  "ViT-L-14/datacomp_xl_s13b_b90k": "laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K",
};

/** open_clip's names of weights that are OpenAI's. */
const OPEN_CLIP_OPENAI: Readonly<Record<string, string>> = {
  "ViT-B-32/openai": "ViT-B/32",
  "ViT-B-16/openai": "ViT-B/16",
  "ViT-L-14/openai": "ViT-L/14",
};

/** A repository of the hub, with the revision where the name has one (`org/name@revision`). */
export interface HubName {
  readonly repo: string;
  readonly revision?: string;
}

/** The repository that a name means; undefined where it cannot be one. */
export function hubName(name: string): HubName | undefined {
  const [, repo, revision] = /^([^@]*)(?:@([^@]+))?$/.exec(name) ?? [];
  if (repo === undefined || !isRepo(repo)) return undefined;
  return { repo, revision };
}

/** The repository whose page on the hub an address is. */
export function hubPage(address: string): HubName | undefined {
  const [, repo, revision] =
    /^https:\/\/huggingface\.co\/([^/]+\/[^/]+?)(?:\/tree\/([^/?#]+))?\/?$/.exec(address) ?? [];
  return repo !== undefined && isRepo(repo) ? { repo, revision } : undefined;
}

const isRepo = (id: string): boolean =>
  /^\w(?:[\w.-]{0,94}\w)?\/\w(?:[\w.-]{0,94}\w)?$/.test(id) && !/--|\.\./.test(id) && !/\.(git|ipynb)$/.test(id);

/** What `open_clip:…` or `hf-hub:…` means: a repository, or weights of OpenAI. Undefined for other names. */
export function openClipName(source: string): HubName | OpenAiWeights | undefined {
  const [, prefix, name] = /^(open_clip|hf-hub):(.*)$/s.exec(source) ?? [];
  if (prefix === undefined) return undefined;
  if (prefix === "open_clip") {
    if (Object.hasOwn(OPEN_CLIP_OPENAI, name)) return OPENAI_MODELS[OPEN_CLIP_OPENAI[name]];
    if (Object.hasOwn(OPEN_CLIP_MODELS, name)) return { repo: OPEN_CLIP_MODELS[name] };
    if (/^(ViT|RN\d|convnext|coca|EVA)/i.test(name))
      throw new InputError(
        `${oneLine(source)}: coop knows ${[...Object.keys(OPEN_CLIP_MODELS), ...Object.keys(OPEN_CLIP_OPENAI)].join(", ")}; give any other as open_clip:ORG/NAME, its repository on the hub`,
      );
  }
  return (
    hubName(name) ??
    reject(`${oneLine(source)}: behind "${prefix}:" stands ORG/NAME, such as ${Object.values(OPEN_CLIP_MODELS)[0]}`)
  );
}

/** Refuses a source that is nothing of what a source can be. */
export function unknownSource(source: string): never {
  return reject(
    `${oneLine(source)}: no such folder or file, and no model's name. Give a folder, a file of weights, an address (https://…), a name of the hub, as openai/clip-vit-base-patch32, open_clip:ViT-B-32/laion2b_s34b_b79k, or ${Object.keys(OPENAI_MODELS).join(", ")}`,
  );
}

/** A branch, tag or commit that is safe in an address and as a file's name. */
export function checkRevision(revision: string): string {
  if (/^\w[\w.-]*(?:\/\w[\w.-]*)*$/.test(revision) && !revision.includes("..")) return revision;
  return reject(`${oneLine(revision)} is no revision: give a branch, a tag or a commit`);
}

function reject(message: string): never {
  throw new InputError(message);
}
