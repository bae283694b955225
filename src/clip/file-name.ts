import { InputError } from "../tensor/errors.ts";
import { oneLine } from "./bytes.ts";

/** A file's name within a model: plain names with `/` between them, none of which leads elsewhere. */
export function checkFileName(file: string): string {
  const parts = file.split("/");
  if (parts.every((part) => /^[^\\:\p{Cc}]+$/u.test(part) && part !== "." && part !== "..")) return file;
  throw new InputError(`"${oneLine(file)}" cannot be a file of a model: it would lie outside the model's folder`);
}
