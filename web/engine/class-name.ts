import { InputError } from "../../src/tensor/errors.ts";

/** A class's name in one line. InputError where it is empty or too long. */
export function checkName(name: unknown): string {
  if (typeof name !== "string") throw new InputError("A class's name is a text.");
  const line = name.replace(/[\s_\p{Cc}]+/gu, " ").trim();
  if (line === "") throw new InputError("A class needs a name: words that say what its pictures show.");
  if (line.length > 200) throw new InputError("That name is too long; 200 characters are enough.");
  return line;
}
