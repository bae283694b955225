/** A value out of a JSON file for a message: of lists and objects, which may be large or deep, only small and flat ones. */
export function shownJson(value: unknown): string {
  if (value === undefined) return "undefined";
  if (!isObject(value)) return JSON.stringify(value);
  const inner = Object.values(value as object);
  if (inner.length <= 4 && !inner.some(isObject)) return JSON.stringify(value);
  return Array.isArray(value) ? "a list" : "an object";
}

const isObject = (value: unknown): boolean => typeof value === "object" && value !== null;
