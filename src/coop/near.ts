/** Letters of a name that may have been misspelled. */
const LONGEST = 200;

/** The candidate that `name` was probably meant to be, or undefined if none is near: case aside, up to a third of its letters wrong. */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Math.max(1, Math.floor(name.length / 3)) + 0.5;
  if (name.length > LONGEST) return undefined;
  for (const candidate of candidates) {
    if (Math.abs(name.length - candidate.length) > least) continue; // so many letters are wrong at least
    const distance = edits(name.toLowerCase(), candidate.toLowerCase()) + (name === candidate ? 0 : 0.25);
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}

/** "a, b, c and 4 more" */
export function listNames(names: readonly string[], most = 5): string {
  const shown = names.slice(0, most).join(", ");
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}

/** Letters to insert, delete, replace, or swap with their neighbour, to make `b` of `a`. */
function edits(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      row[j] = Math.min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + same);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) row[j] = Math.min(row[j], rows[i - 2][j - 2] + 1);
    }
    rows.push(row);
  }
  return rows[a.length][b.length];
}
