import { fillTemplate } from "../../clip/index.ts";
import { InputError } from "../../tensor/errors.ts";
import type { JsonFields } from "../json-fields.ts";

/** A hand-written prompt, with a place for the name. */
export function template(fields: JsonFields, key: string): string {
  const value = fields.string(key);
  try {
    fillTemplate(value, []);
  } catch (error) {
    if (error instanceof InputError) throw fields.wrong(key, `cannot be used: ${error.message}`);
    throw error;
  }
  return value;
}
