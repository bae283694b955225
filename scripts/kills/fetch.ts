// Fetches files of a model: `fetch.ts REPO FILE…`.
import { modelFiles } from "../../src/clip/index.ts";
import { CoopError } from "../../src/tensor/errors.ts";

const [repo, ...names] = process.argv.slice(2);
try {
  const files = await modelFiles(repo);
  for (const name of names) await (await files.open(name))?.close?.();
} catch (error) {
  if (!(error instanceof CoopError)) throw error;
  console.error(`coop: ${error.message}`);
  process.exitCode = 1;
}
