import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";

/** A new folder with these files, empty or with a text (JSON where it is no string), gone after the test. */
export async function dataTree(t: TestContext, files: Readonly<Record<string, unknown>>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "coop-data-"));
  t.after(() => rm(root, { recursive: true, force: true }));
  for (const [path, content] of Object.entries(files)) {
    const full = join(root, path);
    await mkdir(dirname(full), { recursive: true });
    await writeFile(full, typeof content === "string" ? content : JSON.stringify(content));
  }
  return root;
}

/** Empty pictures `folder/name_1.jpg` to `folder/name_n.jpg`. */
export const pictures = (folder: string, n: number, name = "p", extension = "jpg"): Record<string, string> =>
  Object.fromEntries(Array.from({ length: n }, (_, i) => [`${folder}/${name}_${i + 1}.${extension}`, ""]));
