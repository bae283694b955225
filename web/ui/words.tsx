import { useSignal } from "@preact/signals";
import type { ContextWords } from "../protocol.ts";
import { shownEpoch } from "./classifiers.ts";
import { short } from "./format.ts";
import { useLatest } from "./latest.ts";
import { ask, now, round } from "./session.ts";

const FIRST = 16;

/** The vocabulary's words nearest to each learned vector, beside what a random vector finds. */
export function Words() {
  const shown = shownEpoch.value;
  const all = useSignal(false);
  const first = now.training.value.epochs[0]?.seconds;
  const { value, error } = useLatest(
    shown === undefined ? undefined : `${round.value} ${shown.epoch} ${first}`,
    async () => ask((engine) => engine.words(shownEpoch.peek()?.epoch)),
  );
  if (shown === undefined) return null;
  const rows = all.value ? value : value?.slice(0, FIRST);
  const specific = value?.some(({ className }) => className !== undefined);
  return (
    <section aria-labelledby="words-title">
      <h2 id="words-title">Nearest words</h2>
      <p class="soft">
        What each learned vector lies next to in the model's vocabulary. Often that means little: compare a distance
        with the one in grey, from a random vector of the same length.
      </p>
      {error && <p class="error">{error}</p>}
      {!value && !error && <p class="soft">Asking the model…</p>}
      {rows && rows.length > 0 && (
        <table class="words">
          <thead>
            <tr>
              {specific && <th scope="col">Class</th>}
              <th scope="col">Vector</th>
              <th scope="col">Words, with their distance</th>
              <th scope="col">Random</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <Row key={`${row.className} ${row.vector}`} row={row} specific={specific ?? false} />
            ))}
          </tbody>
        </table>
      )}
      {value && value.length > FIRST && (
        <button
          type="button"
          class="quiet"
          aria-expanded={all.value}
          onClick={() => {
            all.value = !all.value;
          }}
        >
          {all.value ? `The first ${FIRST} only` : `All ${value.length} vectors`}
        </button>
      )}
    </section>
  );
}

function Row({ row, specific }: { row: ContextWords; specific: boolean }) {
  return (
    <tr>
      {specific && <td>{row.className}</td>}
      <th scope="row">{row.vector}</th>
      <td>
        {row.nearest.map(({ word, distance }) => (
          <span class="word" key={word}>
            {word} <span class="soft number">{short(distance)}</span>
          </span>
        ))}
      </td>
      <td class="soft number">{short(row.random)}</td>
    </tr>
  );
}
