import { computed } from "@preact/signals";
import { waiting } from "./adding.ts";
import { chosenEpoch } from "./classifiers.ts";
import { Curves } from "./curve.tsx";
import { duration, percent, short } from "./format.ts";
import { attempt } from "./notices.tsx";
import { ask, now, problem } from "./session.ts";
import { SettingsForm } from "./settings.tsx";

/** Why there can be no training yet, and what to do; undefined if there can be one. */
const obstacle = computed<string | undefined>(() => {
  const { status } = now.model.value;
  if (status === "loading") return "The model is still loading.";
  if (status !== "ready") return "Load a model first.";
  const classes = now.classes.value;
  if (classes.length === 0) return "Add at least two classes with pictures, or load a sample.";
  if (classes.length === 1) return "One class leaves nothing to tell apart. Add a second one.";
  const empty = classes.find(({ pictures }) => pictures.every(({ status: how }) => how === "unreadable"));
  if (empty) return `Add a picture to “${empty.name}”, or remove that class.`;
  if (waiting.value) return "The model still looks at the pictures.";
  return undefined;
});

/** Train, pause, go on and stop; and how it goes. */
export function Training() {
  const { status, epochs, of, error, outdated } = now.training.value;
  const running = status === "running";
  const active = running || status === "paused";
  const blocked = problem.value !== undefined && problem.value.kind !== "storage";
  const done = epochs.at(-1)?.epoch ?? 0;

  function train(): Promise<boolean> {
    chosenEpoch.value = undefined;
    return attempt(() => ask((engine) => engine.train()));
  }
  const resume = () => attempt(() => ask((engine) => engine.resume()));
  const pause = () => attempt(() => ask((engine) => engine.pause()));
  const stop = () => attempt(() => ask((engine) => engine.stop()));
  const unfinished = (status === "stopped" || status === "failed") && done > 0 && done < of && !outdated;

  return (
    <section aria-labelledby="training-title" class="training">
      <h2 id="training-title">Training</h2>
      <div class="row">
        {running ? (
          <button type="button" disabled={blocked} onClick={pause}>
            Pause
          </button>
        ) : status === "paused" ? (
          <button type="button" disabled={blocked} onClick={resume}>
            Resume
          </button>
        ) : (
          <button
            type="button"
            disabled={blocked || obstacle.value !== undefined}
            aria-describedby="training-hint"
            onClick={unfinished ? resume : train}
          >
            {unfinished ? `Go on from epoch ${done}` : done > 0 ? "Train again" : "Train"}
          </button>
        )}
        {active && (
          <button type="button" class="plain" disabled={blocked} onClick={stop}>
            Stop
          </button>
        )}
        {unfinished && (
          <button type="button" class="plain" disabled={blocked || obstacle.value !== undefined} onClick={train}>
            Train from the beginning
          </button>
        )}
      </div>
      <p id="training-hint" class="soft hint-line">
        {hint()}
      </p>
      {error && !obstacle.value && <p class="error">{error}</p>}
      {done > 0 && <Progress />}
      {(done > 0 || active) && <Curves />}
      <SettingsForm />
    </section>
  );

  function hint(): string {
    if (active) return running ? "" : `Paused after epoch ${done}. Nothing is lost.`;
    if (outdated)
      return "Pictures, names or settings have changed since this prompt was trained. Train again to take them in.";
    if (obstacle.value) return obstacle.value;
    if (status === "stopped") return `Stopped after epoch ${done} of ${of}; the epochs so far are kept.`;
    if (status === "finished") return "Finished. Look back at any epoch below.";
    return "Only the words around the class names are learned; the model stays as it is.";
  }
}

/** The last epoch in numbers. */
function Progress() {
  const { epochs, of, status } = now.training.value;
  const last = epochs[epochs.length - 1];
  const left = ((of - last.epoch) * last.seconds) / last.epoch;
  return (
    <>
      <progress aria-label="Epochs done" value={last.epoch} max={of} />
      <dl class="facts">
        <Fact name="Epoch" value={`${last.epoch} of ${of}`} />
        <Fact name="Loss" value={short(last.loss)} />
        <Fact name="On the shots" value={percent(last.accuracy)} />
        <Fact name="Held out" value={last.heldOutAccuracy === undefined ? "–" : percent(last.heldOutAccuracy)} />
        <Fact name="Learning rate" value={short(last.learningRate)} />
        {status === "running" ? (
          <Fact name="Time left" value={duration(left)} />
        ) : (
          <Fact name="Time" value={duration(last.seconds)} />
        )}
      </dl>
    </>
  );
}

const Fact = ({ name, value }: { name: string; value: string }) => (
  <div>
    <dt>{name}</dt>
    <dd class="number">{value}</dd>
  </div>
);
