import { hasFiles } from "./http.ts";
import { hubName, hubPage, OPENAI_MODELS, openClipName, unknownSource } from "./model-names.ts";
import { type FetchOptions, type ModelFiles, urlFiles } from "./source.ts";

/** What `modelFiles` does. */
export async function filesNamed(source: string, options: FetchOptions): Promise<ModelFiles> {
  const page = hubPage(source);
  if (!page && /^https?:\/\//i.test(source)) return urlFiles(source, options);
  const { hubFiles, openAiFiles } = await (hasFiles ? import("./hub-node.ts") : import("./hub-browser.ts"));
  if (Object.hasOwn(OPENAI_MODELS, source)) return openAiFiles(source, OPENAI_MODELS[source], options);
  const openClip = openClipName(source);
  if (openClip)
    return "sha256" in openClip
      ? openAiFiles(source, openClip, options)
      : hubFiles({ ...openClip, name: source, layout: "open_clip" }, options);
  const onDisk = hasFiles && (await (await import("./source-node.ts")).filesOnDisk(source));
  if (onDisk) return onDisk;
  if (!hasFiles && /^\.{0,2}\//.test(source)) return urlFiles(source, options);
  return hubFiles({ ...(page ?? hubName(source) ?? unknownSource(source)), name: source }, options);
}
