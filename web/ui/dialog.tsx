import { useEffect, useRef } from "preact/hooks";

interface Props {
  readonly title: string;
  readonly text: string;
  /** What the button that does it says. */
  readonly act: string;
  readonly onAct: () => void;
  readonly onClose: () => void;
}

/** Asks before something that cannot be undone. Escape and "Cancel" leave everything as it is. */
export function Confirm({ title, text, act, onAct, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current!.showModal(), []);
  return (
    <dialog ref={dialog} aria-labelledby="confirm-title" aria-describedby="confirm-text" onClose={onClose}>
      <h2 id="confirm-title">{title}</h2>
      <p id="confirm-text">{text}</p>
      <div class="row end">
        <button type="button" class="plain" onClick={() => dialog.current!.close()}>
          Cancel
        </button>
        <button
          type="button"
          class="danger"
          onClick={() => {
            onAct();
            dialog.current!.close();
          }}
        >
          {act}
        </button>
      </div>
    </dialog>
  );
}
