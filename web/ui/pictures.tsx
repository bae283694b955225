import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { PictureState } from "../protocol.ts";
import { count } from "./format.ts";
import { memo } from "./memo.ts";
import { attempt } from "./notices.tsx";
import { ask } from "./session.ts";
import { Thumbnail } from "./thumbnail.tsx";

const MORE = 90;
const STEP: Readonly<Record<string, number>> = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };

interface PicturesProps {
  readonly pictures: readonly PictureState[];
  readonly of: string;
  /** How many are shown before someone asks for more. */
  readonly first: number;
}

/**
 * Thumbnails, the newest first and some at a time. One stop of the Tab key: arrow keys move among them, Enter tells about
 * one, Delete removes it.
 */
export function Pictures({ pictures, of, first }: PicturesProps) {
  const list = useRef<HTMLUListElement>(null);
  const more = useSignal(0);
  const current = useSignal<string | undefined>(undefined);
  const opened = useSignal<string | undefined>(undefined);
  const refocus = useRef(false);
  const readable = pictures.filter(({ status }) => status !== "unreadable").reverse();
  const visible = readable.slice(0, first + more.value);
  const stop = visible.find(({ id }) => id === current.value) ?? visible[0];
  const open = visible.find(({ id }) => id === opened.value);

  useEffect(() => {
    if (refocus.current) list.current?.querySelector<HTMLElement>("[tabindex='0']")?.focus();
    refocus.current = false;
  });

  async function remove(id: string): Promise<void> {
    const at = visible.findIndex((picture) => picture.id === id);
    current.value = (visible[at + 1] ?? visible[at - 1])?.id;
    refocus.current = true;
    await ask((engine) => engine.removePicture(id));
  }

  function onKeyDown(event: KeyboardEvent): void {
    const at = visible.indexOf(stop);
    const to = event.key === "Home" ? 0 : event.key === "End" ? visible.length - 1 : at + (STEP[event.key] ?? 0);
    if (event.key === "Delete") void attempt(() => remove(stop.id));
    else if (to !== at && visible[to]) {
      current.value = visible[to].id;
      refocus.current = true;
    } else if (!(event.key in STEP)) return;
    event.preventDefault();
  }

  if (readable.length === 0) return null;
  return (
    <div class="pictures">
      <ul ref={list} aria-label={`Pictures of ${of}`} onKeyDown={onKeyDown}>
        {visible.map((picture) => (
          <Picture
            key={picture.id}
            picture={picture}
            stop={picture === stop}
            open={picture === open}
            current={current}
            opened={opened}
          />
        ))}
      </ul>
      {readable.length > visible.length && (
        <button type="button" class="quiet" onClick={() => (more.value += MORE)}>
          Show {Math.min(MORE, readable.length - visible.length)} more of {readable.length.toLocaleString("en")}
        </button>
      )}
      {open && (
        <div class="row about">
          <span class="name">{open.name}</span>
          <span class="soft">{about(open)}</span>
          <button type="button" class="quiet" onClick={() => attempt(() => remove(open.id))}>
            Remove picture
          </button>
        </div>
      )}
    </div>
  );
}

interface PictureProps {
  readonly picture: PictureState;
  readonly stop: boolean;
  readonly open: boolean;
  readonly current: { value: string | undefined };
  readonly opened: { value: string | undefined };
}

const Picture = memo(function Picture({ picture, stop, open, current, opened }: PictureProps) {
  return (
    <li>
      <button
        type="button"
        class={`picture ${picture.status}`}
        tabIndex={stop ? 0 : -1}
        aria-expanded={open}
        aria-label={`${picture.name}${picture.heldOut ? ", held out" : ""}`}
        title={`${picture.name}, ${about(picture)}`}
        onClick={() => {
          current.value = picture.id;
          opened.value = open ? undefined : picture.id;
        }}
      >
        <Thumbnail id={picture.id} />
        {picture.heldOut && <span class="mark">held out</span>}
      </button>
    </li>
  );
});

function about({ status, heldOut }: PictureState): string {
  if (status === "waiting") return "waits for the model to look at it";
  return heldOut ? "held out, to measure with" : "ready";
}

/** Files that could not be used, each with the reason. */
export function LeftOut({ lines, onForget }: { lines: readonly string[]; onForget?: () => void }) {
  if (lines.length === 0) return null;
  return (
    <details class="left-out">
      <summary>{count(lines.length, "file")} could not be used</summary>
      <ul>
        {lines.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
      {onForget && (
        <button type="button" class="quiet" onClick={onForget}>
          Hide this list
        </button>
      )}
    </details>
  );
}
