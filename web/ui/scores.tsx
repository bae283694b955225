import { shownEpoch, TITLES } from "./classifiers.ts";
import { count, percent } from "./format.ts";
import { now } from "./session.ts";

const WHAT = {
  "zero-shot": "hand-written prompt, nothing learned",
  probe: "logistic regression on features",
  prompt: "the context trained here",
} as const;

/** Accuracy of the three classifiers on the pictures that are held out. */
export function Scores() {
  const scores = now.scores.value;
  const { epochs } = now.training.value;
  const shown = shownEpoch.value;
  const earlier = shown !== epochs.at(-1);
  const heldOut = scores["zero-shot"]?.count ?? scores.prompt?.count ?? scores.probe?.count;

  function of(name: keyof typeof WHAT) {
    if (name !== "prompt" || !earlier) return scores[name];
    const accuracy = shown?.heldOutAccuracy;
    if (accuracy === undefined || !heldOut) return undefined;
    return { correct: Math.round(accuracy * heldOut), count: heldOut };
  }

  return (
    <section aria-labelledby="scores-title">
      <h2 id="scores-title">Accuracy</h2>
      <table class="scores">
        <caption class="soft">
          {heldOut
            ? `On ${count(heldOut, "held-out picture")}, which no training sees.`
            : "On held-out pictures: of three or more pictures of a class, some are kept out of the training."}
        </caption>
        <thead class="visually-hidden">
          <tr>
            <th scope="col">Classifier</th>
            <th scope="col">Accuracy</th>
            <th scope="col">Correct</th>
          </tr>
        </thead>
        <tbody>
          {(["zero-shot", "probe", "prompt"] as const).map((name) => {
            const score = of(name);
            const accuracy = score?.count ? score.correct / score.count : undefined;
            return (
              <tr key={name} class={name}>
                <th scope="row">
                  {TITLES[name]}
                  {name === "prompt" && earlier ? `, epoch ${shown?.epoch}` : ""}
                  <span class="help">{WHAT[name]}</span>
                </th>
                <td class="big number">{accuracy === undefined ? "–" : percent(accuracy)}</td>
                <td class="measure">
                  <span class="track" aria-hidden="true">
                    <span class="bar" style={{ width: `${100 * (accuracy ?? 0)}%` }} />
                  </span>
                  <span class="soft number">{score ? `${score.correct} of ${score.count}` : ""}</span>
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}
