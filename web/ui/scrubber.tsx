import { chosenEpoch, shownEpoch } from "./classifiers.ts";
import { now } from "./session.ts";

/** Which epoch's prompt the answers below are of. */
export function Scrubber() {
  const done = now.training.value.epochs.length;
  const shown = shownEpoch.value;
  if (shown === undefined) return null;
  const latest = shown === done && chosenEpoch.value === undefined;
  return (
    <div class="scrubber">
      <label for="epoch">
        The prompt after epoch <output class="number">{shown}</output> of {done}
      </label>
      <input
        id="epoch"
        type="range"
        min={1}
        max={done}
        step={1}
        value={shown}
        aria-valuetext={`epoch ${shown} of ${done}`}
        onInput={(event) => {
          const epoch = Number(event.currentTarget.value);
          chosenEpoch.value = epoch === done ? undefined : epoch;
        }}
      />
      <button
        type="button"
        class="quiet"
        disabled={latest}
        onClick={() => {
          chosenEpoch.value = undefined;
        }}
      >
        Latest
      </button>
    </div>
  );
}
