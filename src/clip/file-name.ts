import { InputError, oneLine } from "../tensor/errors.ts";

/** What Windows takes for a device in any folder. */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/** A file's name within a model: plain names with `/` between them, none of which leads elsewhere on any system. */
export function checkFileName(file: string): string {
  const parts = file.split("/");
  if (parts.every((part) => /^[^\\:\p{Cc}]*[^\\:\p{Cc}. ]$/u.test(part) && !DEVICE.test(part))) return file;
  throw new InputError(`"${oneLine(file)}" cannot be a file of a model: it would lie outside the model's folder`);
}
