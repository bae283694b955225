import { fileBytes, oneLine, textOf } from "../clip/bytes.ts";
import { FormatError, InputError } from "../tensor/errors.ts";
import { CONFIG_FILE, contextShape, parseAdapterConfig } from "./run-config.ts";
import { MODEL_FILE, readAdapterModel, type SavedPrompt } from "./run-files.ts";

/** in bytes; a hundred thousand long class names fit */
const MAX_CONFIG = 2 ** 24;

/**
 * Reads the two adapter files of a run's folder. InputError if they are not there, FormatError if not whole.
 * @example const { config, context, shape } = await readPrompt("runs/pets");
 */
export async function readPrompt(dir: string): Promise<SavedPrompt> {
  const { join } = await import("node:path");
  const { stat } = await import("node:fs/promises");
  const path = join(dir, CONFIG_FILE);
  if (!(await stat(path).catch(() => undefined)))
    throw new InputError(
      `${oneLine(dir)}: no ${CONFIG_FILE} in it. Give the folder that coop train wrote (its last line names it).`,
    );
  const file = await fileBytes(path);
  if (file.size > MAX_CONFIG) {
    await file.close();
    throw new FormatError(`${file.name}: ${file.size} bytes are too many for a run's configuration.`);
  }
  const text = await file
    .read(0, file.size)
    .then((bytes) => textOf(bytes, file.name))
    .finally(file.close);
  const config = parseAdapterConfig(text, file.name);
  const model = await fileBytes(join(dir, MODEL_FILE));
  const learned = await readAdapterModel(model, config).finally(model.close);
  return { config, ...learned, shape: contextShape(config) };
}
