/**
 * `after`, with the very objects of `before` wherever the two say the same: what did not change is then not drawn again.
 * Items of lists are matched by `id` where they have one, else by place.
 *
 * @example
 * keep({ a: [1], b: 2 }, { a: [1], b: 3 }); // a new object with the `a` of before
 */
export function keep<T>(before: unknown, after: T): T {
  if (!isObject(before) || !isObject(after)) return after;
  if (Array.isArray(after)) return Array.isArray(before) ? (keepList(before, after) as T) : after;
  if (Array.isArray(before)) return after;
  const names = Object.keys(after);
  let same = Object.keys(before).length === names.length;
  const kept: Record<string, unknown> = {};
  for (const name of names) {
    kept[name] = keep(before[name], after[name]);
    same &&= name in before && Object.is(kept[name], before[name]);
  }
  return (same ? before : kept) as T;
}

function keepList(before: readonly unknown[], after: readonly unknown[]): readonly unknown[] {
  const byId = new Map(before.map((item, i) => [idOf(item) ?? i, item]));
  const kept = after.map((item, i) => keep(byId.get(idOf(item) ?? i), item));
  return kept.length === before.length && kept.every((item, i) => Object.is(item, before[i])) ? before : kept;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

function idOf(item: unknown): string | undefined {
  return isObject(item) && typeof item.id === "string" ? item.id : undefined;
}
