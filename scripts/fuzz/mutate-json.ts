import type { Mutation } from "./mutate-bytes.ts";
import type { Random } from "./random.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const SCALARS: readonly Json[] = [null, true, false, 0, -1, 1.5, 1e308, 2 ** 31, 2 ** 53, 2 ** 64, "", "x", "../..", "\u0000", "\ud800", "__proto__", "😀".repeat(50)]; // biome-ignore format: one row

/** A value of another kind than was there. */
function strange(random: Random): Json {
  if (random.oneIn(12)) {
    let deep: Json = random.oneIn(2) ? {} : [];
    const depth = random.pick([3, 40, 6000]);
    for (let i = 0; i < depth; i++) deep = Array.isArray(deep) ? [deep] : { a: deep };
    return deep;
  }
  if (random.oneIn(6)) return random.pick<Json>([[], {}, [[]], [null], { a: 1 }, Array(300).fill(1)]);
  return random.pick(SCALARS);
}

/** Every list and object in a value, with what holds it. */
function containers(value: Json, found: (Json[] | Record<string, Json>)[] = []): (Json[] | Record<string, Json>)[] {
  const waiting = [value];
  while (waiting.length > 0) {
    const next = waiting.pop();
    if (typeof next !== "object" || next === null) continue;
    found.push(next);
    waiting.push(...Object.values(next));
  }
  return found;
}

const edits: readonly ((at: Record<string, Json>, key: string, random: Random) => void)[] = [
  (at, key, random) => (at[key] = strange(random)),
  (at, key) => (Array.isArray(at) ? at.splice(Number(key), 1) : delete at[key]),
  (at, key, random) =>
    Array.isArray(at)
      ? at.push(at[Number(key)])
      : (at[random.pick(["__proto__x", "constructor", "", "length", `${key}2`])] = at[key]),
  (at, key, random) => (at[key] = at[random.pick(Object.keys(at))]),
  (at, key) => (at[key] = [at[key]]),
  (at, key, random) => {
    const value = at[key];
    if (typeof value === "number") at[key] = value * random.pick([-1, 2, 0.5, 1e6]) + random.pick([0, 1, -1]);
    else if (typeof value === "string") at[key] = value.slice(1) + random.pick(["", "é", "\n", "🙂", value]);
  },
];

/** Changes a random place of a JSON text, which stays one; undefined where it is none. */
export function mutatedJson(text: string, random: Random): string | undefined {
  let value: Json;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const places = containers(value).filter((at) => Object.keys(at).length > 0);
  for (let i = 0; i <= random.below(3) && places.length > 0; i++) {
    const at = random.pick(places) as Record<string, Json>;
    const keys = Object.keys(at);
    if (keys.length > 0) random.pick(edits)(at, random.pick(keys), random);
  }
  if (places.length === 0) value = strange(random);
  try {
    return random.oneIn(8) ? withTwin(JSON.stringify(value), random) : JSON.stringify(value);
  } catch {
    return undefined; // it came to hold itself, or is too deep to be written
  }
}

/** The same text with one of its keys a second time. */
function withTwin(json: string, random: Random): string {
  const keys = [...json.matchAll(/"([a-z_]+)":/g)];
  if (keys.length === 0) return json;
  const { index, 0: key } = random.pick(keys);
  return `${json.slice(0, index)}${key}${random.pick(["0", "{}", '"x"', "null"])},${json.slice(index)}`;
}

/** Changes of the structure of a JSON text. */
export const editJson: Mutation = (bytes, random) => {
  const text = mutatedJson(new TextDecoder().decode(bytes), random);
  return text === undefined ? bytes.slice() : new TextEncoder().encode(text);
};

/** The same for a text with a JSON value in each line. */
export const editJsonLine: Mutation = (bytes, random) => {
  const lines = new TextDecoder().decode(bytes).split("\n");
  const at = random.below(lines.length);
  lines[at] = mutatedJson(lines[at], random) ?? lines[at];
  return new TextEncoder().encode(lines.join("\n"));
};
