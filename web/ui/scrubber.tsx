import { chosenEpoch, shownEpoch } from "./classifiers.ts";
import { now } from "./session.ts";

/** Which epoch's prompt the answers below are of. */
export function Scrubber() {
  const { epochs } = now.training.value;
  const shown = shownEpoch.value;
  const last = epochs.at(-1);
  if (!shown || !last) return null;
  return (
    <div class="scrubber">
      <label for="epoch">
        The prompt after epoch <output class="number">{shown.epoch}</output> of {last.epoch}
      </label>
      <input
        id="epoch"
        type="range"
        min={1}
        max={epochs.length}
        step={1}
        value={epochs.indexOf(shown) + 1}
        aria-valuetext={`epoch ${shown.epoch} of ${last.epoch}`}
        onInput={(event) => {
          const place = Number(event.currentTarget.value) - 1;
          chosenEpoch.value = place === epochs.length - 1 ? undefined : place;
        }}
      />
      <button
        type="button"
        class="quiet"
        disabled={shown === last}
        onClick={() => {
          chosenEpoch.value = undefined;
        }}
      >
        Latest
      </button>
    </div>
  );
}
