import { FormatError } from "../tensor/errors.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { readJson, sha256, sha256OfText } from "./read-file.ts";
import { openSafetensors } from "./safetensors.ts";
import { type ModelFiles, missingFile, type OpenFile } from "./source.ts";
import { isTorchFile, openTorchFile } from "./torch.ts";

/** The weights of a model, open until `close`. */
export interface OpenWeights {
  readonly checkpoint: Checkpoint;
  /** The file that was found: of several shards, their index. */
  readonly file: string;
  /** SHA-256 of the file, of shards that of the list of theirs. */
  sha256(): Promise<string>;
  close(): Promise<void>;
}

const HUGGING_FACE = ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"];
const OPEN_CLIP = ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"];

/** The names under which weights are looked for. */
const candidates = ({ weights, layout }: ModelFiles): readonly string[] =>
  weights ? [weights] : layout === "open_clip" ? [...OPEN_CLIP, ...HUGGING_FACE] : [...HUGGING_FACE, ...OPEN_CLIP];

/** Opens the first of a model's weights files that there is: safetensors, sharded safetensors, or PyTorch's. */
export async function openWeights(files: ModelFiles): Promise<OpenWeights> {
  const names = candidates(files);
  for (const file of names) {
    if (file.endsWith(".index.json")) {
      const index = await readJson(files, file);
      if (index !== undefined) return openShards(files, file, index);
      continue;
    }
    const source = await files.open(file);
    if (source) return openOne(source, file);
  }
  throw missingFile(
    files,
    names[0],
    `there are no weights in it; looked for ${names.join(", ")}. A .pt file is given by its own path.`,
  );
}

async function openOne(source: OpenFile, file: string): Promise<OpenWeights> {
  const close = async () => source.close?.();
  try {
    const start = await source.read(0, Math.min(16, source.size));
    const checkpoint = isTorchFile(start) ? await openTorchFile(source) : await openSafetensors(source);
    return { checkpoint, file, sha256: () => sha256(source), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Several safetensors files with an index that says which holds which tensor. */
async function openShards(files: ModelFiles, file: string, index: unknown): Promise<OpenWeights> {
  const name = `${files.name}/${file}`;
  const map = (index as { weight_map?: unknown } | null)?.weight_map;
  const places = typeof map === "object" && map !== null ? Object.entries(map) : [];
  const shards = [...new Set(places.map(([, shard]) => shard))];
  if (
    places.length === 0 ||
    !shards.every((shard) => typeof shard === "string" && /^[\w.-]+\.safetensors$/.test(shard))
  )
    throw new FormatError(`${name}: its weight_map must name a safetensors file for each tensor.`);
  const opened = new Map<string, { source: OpenFile; checkpoint: Checkpoint }>();
  const close = async () => {
    for (const { source } of opened.values()) await source.close?.();
  };
  try {
    for (const shard of shards as string[]) {
      const source = await files.open(shard);
      if (!source)
        throw new FormatError(`${name}: there is no ${shard}, which it names; fetch all parts of the model.`);
      opened.set(shard, { source, checkpoint: await openSafetensors(source) });
    }
    const shardOf = new Map(places as [string, string][]);
    for (const [tensor, shard] of shardOf)
      if (!opened.get(shard)?.checkpoint.tensors.has(tensor))
        throw new FormatError(`${name}: "${tensor}" should be in ${shard}, and is not; fetch the model again.`);
    return { checkpoint: joined(name, shardOf, opened), file, sha256: () => hashOf(opened), close };
  } catch (error) {
    await close();
    throw error;
  }
}

function joined(
  name: string,
  shardOf: ReadonlyMap<string, string>,
  opened: ReadonlyMap<string, { checkpoint: Checkpoint }>,
): Checkpoint {
  const of = (tensor: string): Checkpoint => {
    const shard = opened.get(shardOf.get(tensor) ?? "");
    if (!shard) throw new FormatError(`${name}: there is no tensor called "${tensor}" in it.`);
    return shard.checkpoint;
  };
  return {
    name,
    tensors: new Map([...shardOf.keys()].map((tensor) => [tensor, of(tensor).tensors.get(tensor)!])),
    read: (tensor) => of(tensor).read(tensor),
    stream: (tensor, chunkBytes) => of(tensor).stream(tensor, chunkBytes),
  };
}

async function hashOf(opened: ReadonlyMap<string, { source: OpenFile }>): Promise<string> {
  const lines: string[] = [];
  for (const shard of [...opened.keys()].sort()) lines.push(`${await sha256(opened.get(shard)!.source)}  ${shard}\n`);
  return sha256OfText(lines.join(""));
}
