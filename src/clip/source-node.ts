import { InputError } from "../tensor/errors.ts";
import { fileBytes, oneLine } from "./bytes.ts";
import { checkFileName } from "./file-name.ts";
import { type ModelFiles, WEIGHTS } from "./source.ts";

/** A model's files where its name is that of a folder or a file on disk; undefined where it is neither. */
export async function filesOnDisk(path: string): Promise<ModelFiles | undefined> {
  const kind = await kindOf(path);
  return kind && (kind === "folder" ? openFolder(path) : besideFile(path));
}

/** What `folderFiles` does. */
export async function openFolder(path: string): Promise<ModelFiles> {
  const kind = await kindOf(path);
  if (!kind)
    throw new InputError(
      `${oneLine(path)}: there is no such model folder; give a folder with config.json, model.safetensors and tokenizer.json`,
    );
  if (kind === "file")
    throw new InputError(`${oneLine(path)} is not a folder; give the folder that holds the model's files`);
  const { join } = await import("node:path");
  return {
    name: path,
    async open(file) {
      const full = join(path, checkFileName(file));
      return (await kindOf(full)) ? fileBytes(full) : undefined;
    },
  };
}

/** A weights file and the files beside it. */
async function besideFile(path: string): Promise<ModelFiles> {
  if (!WEIGHTS.test(path))
    throw new InputError(
      `${oneLine(path)} is no weights file by its name (.safetensors, .pt, .pth, .bin); give one, or the folder of a model`,
    );
  const { basename, dirname } = await import("node:path");
  return { ...(await openFolder(dirname(path))), name: path, weights: basename(path) };
}

async function kindOf(path: string): Promise<"folder" | "file" | undefined> {
  const { stat } = await import("node:fs/promises");
  const info = await stat(path).catch(({ name, code, message }: NodeJS.ErrnoException) => {
    if (name === "NotCapable" || code === "EACCES") throw new InputError(`${oneLine(path)}: ${message}`); // Deno's, Node's
    return undefined;
  });
  return info && (info.isDirectory() ? "folder" : "file");
}
