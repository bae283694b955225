import { computed, useSignal } from "@preact/signals";
import type { ClassifierName } from "../protocol.ts";
import { classifiers, largest, type NamedAnswers, rowOf, TITLES, useAnswers } from "./classifiers.ts";
import { count, percent } from "./format.ts";
import { Scroll } from "./scroll.tsx";
import { now } from "./session.ts";
import { Thumbnail } from "./thumbnail.tsx";

const MATRIX_MOST = 24; // classes; with more of them, only the pairs that are mixed up are listed
const PAIRS = 30;
const PICTURES = 60;

const heldOut = computed(() => now.classes.value.some(({ pictures }) => pictures.some((picture) => picture.heldOut)));
const anyEncoded = computed(() =>
  now.classes.value.some(({ pictures }) => pictures.some(({ status }) => status === "encoded")),
);

/** A picture with its class, the answer and that answer's probability. */
interface Answered {
  readonly id: string;
  readonly label: number;
  readonly answer: number;
  readonly probability: number;
}

interface Cell {
  readonly label: number;
  readonly answer: number;
}

/** Which classes are taken for which, with the pictures behind each number. */
export function Confusion() {
  const wanted = useSignal<ClassifierName | undefined>(undefined);
  const able = classifiers.value;
  if (!anyEncoded.value || able.length === 0) return null;
  const by = wanted.value && able.includes(wanted.value) ? wanted.value : able[able.length - 1];
  return (
    <section aria-labelledby="confusion-title">
      <h2 id="confusion-title">What is taken for what</h2>
      <fieldset class="row tabs">
        <legend class="visually-hidden">Classifier</legend>
        {able.map((name) => (
          <label key={name}>
            <input
              type="radio"
              name="confusion"
              value={name}
              checked={by === name}
              onChange={() => {
                wanted.value = name;
              }}
            />
            <span>{TITLES[name]}</span>
          </label>
        ))}
      </fieldset>
      <Matrix key={by} by={by} of={heldOut.value ? "held-out" : "shots"} />
    </section>
  );
}

function Matrix({ by, of }: { by: ClassifierName; of: "held-out" | "shots" }) {
  const { value, error } = useAnswers(of, by);
  const open = useSignal<Cell | undefined>(undefined);
  if (error) return <p class="error">{error}</p>;
  if (!value) return <p class="soft">Asking the model…</p>;
  const answered = read(value);
  const { classNames } = value;
  const inCell = (cell: Cell) => answered.filter((a) => a.label === cell.label && a.answer === cell.answer);
  const shown = open.value && inCell(open.value);
  return (
    <>
      <p class="soft">
        {of === "held-out" ? "Of the held-out pictures. " : "Of the pictures it learns from, since none are held out. "}
        {classNames.length <= MATRIX_MOST && "Rows are what it is, columns what it is taken for. "}
        Choose a number to see its pictures.
      </p>
      {classNames.length <= MATRIX_MOST ? (
        <Grid answered={answered} names={classNames} open={open} />
      ) : (
        <Pairs answered={answered} names={classNames} open={open} />
      )}
      <div aria-live="polite">
        {open.value && shown && <Behind cell={open.value} pictures={shown} names={classNames} />}
      </div>
    </>
  );
}

function read(answers: NamedAnswers): readonly Answered[] {
  return answers.pictures.map((id, i) => {
    const row = rowOf(answers, i);
    const answer = largest(row);
    return { id, label: answers.labels[i], answer, probability: row[answer] };
  });
}

interface CellsProps {
  readonly answered: readonly Answered[];
  readonly names: readonly string[];
  readonly open: { value: Cell | undefined };
}

function Grid({ answered, names, open }: CellsProps) {
  const counts = names.map(() => names.map(() => 0));
  for (const { label, answer } of answered) counts[label][answer]++;
  return (
    <Scroll label="Confusion matrix">
      <table class="matrix">
        <caption class="visually-hidden">What is taken for what</caption>
        <thead>
          <tr>
            <td />
            {names.map((name) => (
              <th scope="col" key={name}>
                <span title={name}>{name}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {names.map((name, label) => {
            const total = counts[label].reduce((sum, n) => sum + n, 0);
            return (
              <tr key={name}>
                <th scope="row" title={name}>
                  {name}
                </th>
                {counts[label].map((n, answer) => (
                  <td key={names[answer]}>
                    {n > 0 ? (
                      <Count n={n} total={total} cell={{ label, answer }} names={names} open={open} />
                    ) : (
                      <i>0</i>
                    )}
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </Scroll>
  );
}

/** Many classes: the pairs that are mixed up most. */
function Pairs({ answered, names, open }: CellsProps) {
  const pairs = new Map<string, Cell & { n: number }>();
  for (const { label, answer } of answered) {
    if (label === answer) continue;
    const key = `${label} ${answer}`;
    pairs.set(key, { label, answer, n: (pairs.get(key)?.n ?? 0) + 1 });
  }
  const worst = [...pairs.values()].sort((a, b) => b.n - a.n).slice(0, PAIRS);
  if (worst.length === 0) return <p>Every picture is right.</p>;
  return (
    <table class="pairs">
      <thead>
        <tr>
          <th scope="col">It is</th>
          <th scope="col">Taken for</th>
          <th scope="col">Pictures</th>
        </tr>
      </thead>
      <tbody>
        {worst.map(({ n, label, answer }) => (
          <tr key={`${label} ${answer}`}>
            <td>{names[label]}</td>
            <td>{names[answer]}</td>
            <td class="matrix">
              <Count n={n} total={n} cell={{ label, answer }} names={names} open={open} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

interface CountProps {
  readonly n: number;
  readonly total: number;
  readonly cell: Cell;
  readonly names: readonly string[];
  readonly open: { value: Cell | undefined };
}

/** A number that opens its pictures; the fuller its row's share, the deeper its colour. */
function Count({ n, total, cell: { label, answer }, names, open }: CountProps) {
  const isOpen = open.value?.label === label && open.value.answer === answer;
  const shade = Math.min(4, Math.ceil((4 * n) / total));
  return (
    <button
      type="button"
      class={`${label === answer ? "right" : "wrong"} shade-${shade}`}
      aria-expanded={isOpen}
      aria-label={`${count(n, "picture")} of ${names[label]} taken for ${names[answer]}`}
      onClick={() => {
        open.value = isOpen ? undefined : { label, answer };
      }}
    >
      {n}
    </button>
  );
}

/** The pictures of a cell, the surest answers first. */
function Behind({ cell, pictures, names }: { cell: Cell; pictures: readonly Answered[]; names: readonly string[] }) {
  const surest = [...pictures].sort((a, b) => b.probability - a.probability);
  const what =
    cell.label === cell.answer
      ? `${names[cell.label]}, and taken for it`
      : `${names[cell.label]}, taken for ${names[cell.answer]}`;
  return (
    <div class="behind">
      <h3>
        {count(pictures.length, "picture")}: {what}
      </h3>
      <ul class="plain-list">
        {surest.slice(0, PICTURES).map(({ id, probability }) => (
          <li key={id}>
            <Thumbnail id={id} />
            <span class="number soft">{percent(probability)}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}
