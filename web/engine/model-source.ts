import { hubName, hubPage, OPENAI_MODELS, openClipName } from "../../src/clip/model-names.ts";
import { InputError } from "../../src/tensor/errors.ts";

/** The model that comes with the page. */
export const TINY = "tiny";
/** As the command line calls it, so that a prompt that was learned here finds its model there. */
export const TINY_NAME = "tiny-clip";

/**
 * Refuses a model that this page may not fetch: its policy lets it reach its own origin and the hub, nothing else.
 *
 * @param origin the page's
 */
export function checkSource(source: unknown, origin: string): void {
  if (typeof source !== "string" || source.trim() === "")
    throw new InputError("Name a model, or take the built-in one.");
  if (source === TINY || hubPage(source)) return;
  if (/^https?:/i.test(source)) {
    if (URL.canParse(source) && new URL(source).origin === origin) return;
    throw elsewhere(source);
  }
  if (/^\/(?!\/)/.test(source)) return;
  if (Object.hasOwn(OPENAI_MODELS, source)) throw elsewhere(source);
  const openClip = openClipName(source);
  if (openClip && "sha256" in openClip) throw elsewhere(source);
  if (openClip || hubName(source)) return;
  throw new InputError(
    `"${source}" is no model's name. Give one of the hub, such as openai/clip-vit-base-patch32, or the address of a folder of this page's own site.`,
  );
}

const elsewhere = (source: string) =>
  new InputError(
    `"${source}" lies elsewhere: so that nothing can leak, this page's content security policy lets it fetch from its own site and from huggingface.co only. OpenAI's models are there too, as openai/clip-vit-base-patch32, say.`,
  );
