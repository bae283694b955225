import { useSignal } from "@preact/signals";
import type { ClassifierName, PictureState } from "../protocol.ts";
import { addFiles, forgetRefused, refused } from "./adding.ts";
import { classifiers, largest, type NamedAnswers, rowOf, SHORT, useAnswers } from "./classifiers.ts";
import { useDrop } from "./drop-zone.tsx";
import { FileButton } from "./file-buttons.tsx";
import { percent } from "./format.ts";
import { allFiles } from "./intake.ts";
import type { Latest } from "./latest.ts";
import { attempt } from "./notices.tsx";
import { LeftOut } from "./pictures.tsx";
import { ask, now } from "./session.ts";
import { Thumbnail } from "./thumbnail.tsx";
import { Webcam, WebcamButton, webcamAt } from "./webcam.tsx";

const PLACE = "tries";
const FIRST = 6;
const MORE = 24;
const BARS = 5;

/** Pictures of no class, and what each classifier says of them. */
export function Tries() {
  const tries = now.tries.value;
  const shown = useSignal(FIRST);
  const { over, props } = useDrop((intake) => addFiles(PLACE, allFiles(intake)));
  const answers = {
    "zero-shot": useAnswers(PLACE, "zero-shot"),
    probe: useAnswers(PLACE, "probe"),
    prompt: useAnswers(PLACE, "prompt"),
  };
  const newest = tries.filter(({ status }) => status !== "unreadable").reverse();
  const unreadable = tries.filter(({ status }) => status === "unreadable");
  const leftOut = [
    ...unreadable.map((picture) => `${picture.name}: ${picture.reason ?? "not a picture this browser can read"}`),
    ...(refused.value.get(PLACE) ?? []),
  ];
  const errors = new Set(Object.values(answers).flatMap(({ error }) => error ?? []));

  return (
    <section aria-labelledby="tries-title" class={over.value ? "drop-target over" : "drop-target"} {...props}>
      <h2 id="tries-title" tabIndex={-1}>
        Try pictures
      </h2>
      <p class="soft">{invitation()}</p>
      {webcamAt.value === PLACE ? (
        <Webcam place={PLACE} of="pictures to try" />
      ) : (
        <div class="row tight">
          <FileButton
            label="Choose pictures"
            accept="image/*"
            onFiles={(files) => attempt(() => addFiles(PLACE, files))}
          />
          <WebcamButton place={PLACE} />
          <span class="soft hint">or drop them here</span>
        </div>
      )}
      {[...errors].map((error) => (
        <p class="error" key={error}>
          {error}
        </p>
      ))}
      <ul class="tries plain-list">
        {newest.slice(0, shown.value).map((picture) => (
          <Try key={picture.id} picture={picture} answers={answers} />
        ))}
      </ul>
      {newest.length > shown.value && (
        <button type="button" class="quiet" onClick={() => (shown.value += MORE)}>
          Show {Math.min(MORE, newest.length - shown.value)} more of {newest.length}
        </button>
      )}
      <LeftOut
        lines={leftOut}
        onForget={() => {
          forgetRefused(PLACE);
          void attempt(async () => {
            for (const { id } of unreadable) await ask((engine) => engine.removePicture(id));
          });
        }}
      />
    </section>
  );
}

function invitation(): string {
  const classes = now.classes.value.length;
  if (classes === 0) return "Name some classes and add a picture: the model answers at once, before any training.";
  if (classes === 1) return "With one class every picture is of that class. Add a second one.";
  return "Pictures that no class has. Zero-shot answers at once; the learned prompt answers from its first epoch on.";
}

interface TryProps {
  readonly picture: PictureState;
  readonly answers: { readonly [by in ClassifierName]: Latest<NamedAnswers> };
}

/** One picture with the probabilities of its likeliest classes, the classifiers side by side. */
function Try({ picture, answers }: TryProps) {
  const all = useSignal(false);
  const rows = new Map<ClassifierName, Float32Array>();
  let names: readonly string[] = [];
  for (const by of classifiers.value) {
    const answer = answers[by].value;
    const index = answer?.pictures.indexOf(picture.id) ?? -1;
    // answers to an older question may still be of other classes
    if (!answer || index < 0 || (names.length && answer.classNames.join("\0") !== names.join("\0"))) continue;
    names = answer.classNames;
    rows.set(by, rowOf(answer, index));
  }
  const best = rows.get("prompt") ?? rows.get("zero-shot") ?? rows.get("probe");
  const order = best ? names.map((_, i) => i).sort((a, b) => best[b] - best[a]) : [];
  const visible = all.value ? order : order.slice(0, BARS);

  return (
    <li class="try">
      <Thumbnail id={picture.id} />
      <div class="row between">
        <span class="name">{picture.name}</span>
        <button
          type="button"
          class="quiet"
          aria-label={`Remove ${picture.name}`}
          onClick={() =>
            attempt(async () => {
              await ask((engine) => engine.removePicture(picture.id));
              document.getElementById("tries-title")!.focus({ preventScroll: true });
            })
          }
        >
          Remove
        </button>
      </div>
      {best ? (
        <table class="bars">
          <caption class="visually-hidden">Probabilities for {picture.name}</caption>
          <thead>
            <tr>
              <th scope="col">Class</th>
              {[...rows.keys()].map((by) => (
                <th scope="col" key={by}>
                  {SHORT[by]}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {visible.map((i) => (
              <tr key={i}>
                <th scope="row">{names[i]}</th>
                {[...rows].map(([by, row]) => (
                  <td key={by} class={largest(row) === i ? `${by} answer` : by}>
                    <span class="track" aria-hidden="true">
                      <span class="bar" style={{ width: `${100 * row[i]}%` }} />
                    </span>
                    <span class="number">{percent(row[i])}</span>
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      ) : (
        <p class="soft">{waitingFor(picture)}</p>
      )}
      {order.length > BARS && (
        <button
          type="button"
          class="quiet"
          aria-expanded={all.value}
          onClick={() => {
            all.value = !all.value;
          }}
        >
          {all.value ? "The likeliest only" : `All ${order.length} classes`}
        </button>
      )}
    </li>
  );
}

function waitingFor({ status }: PictureState): string {
  if (now.classes.value.length === 0) return "No classes yet.";
  return status === "waiting" ? "The model looks at it…" : "Asking the model…";
}
