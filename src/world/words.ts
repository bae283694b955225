import { ACTIONS } from "./actions.ts";
import { CARS, LENGTHS, ROOFS } from "./cars.ts";
import { COLOURS } from "./colours.ts";
import { FLOWERS } from "./flowers.ts";
import { PLACES } from "./places.ts";
import { SHAPES } from "./shapes.ts";
import { STYLES } from "./styles.ts";
import * as templates from "./templates.ts";
import { TEXTURES } from "./textures.ts";

/** Words that prompts like to use, wherever else they occur. */
const PROMPT_WORDS =
  "a an the this is of x type photo picture image satellite centered texture person doing pet food flower car";

/** Splits a text into its tokens: lower-case words, commas and full stops. Anything else separates. */
export function wordsOf(text: string): string[] {
  return text.match(/[a-z]+|[,.]/g) ?? [];
}

/**
 * Every word and punctuation mark of captions, class names and templates, sorted. Read off the very tables that
 * captions are made from (their keys are names, their strings wordings), so no caption can contain another.
 */
export function vocabulary(): string[] {
  const names = [ACTIONS, CARS, COLOURS, FLOWERS, LENGTHS, PLACES, SHAPES, STYLES, TEXTURES].flatMap(Object.keys);
  const wordings = [ACTIONS, PLACES, ROOFS, STYLES, TEXTURES, templates].flatMap(strings);
  const texts = [PROMPT_WORDS, ".", ...names, ...wordings.map((text) => text.replace(/\{\w*\}/g, ""))];
  return [...new Set(texts.flatMap(wordsOf))].sort();
}

/** All strings anywhere in a table. */
function strings(table: unknown): string[] {
  if (typeof table === "string") return [table];
  return typeof table === "object" && table !== null ? Object.values(table).flatMap(strings) : [];
}
