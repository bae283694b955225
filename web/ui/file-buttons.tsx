import { useRef } from "preact/hooks";

interface Props {
  readonly label: string;
  readonly onFiles: (files: readonly File[]) => void;
  /** A picker of folders instead of files. */
  readonly folder?: boolean;
  readonly accept?: string;
  readonly class?: string;
  readonly describedBy?: string;
  readonly disabled?: boolean;
}

/** A button that opens the system's file picker. */
export function FileButton({ label, onFiles, folder, accept, class: look, describedBy, disabled }: Props) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button
        type="button"
        class={look ?? "plain"}
        aria-describedby={describedBy}
        disabled={disabled}
        onClick={() => input.current!.click()}
      >
        {label}
      </button>
      <input
        ref={input}
        type="file"
        hidden
        multiple
        aria-label={label}
        accept={accept}
        {...(folder ? { webkitdirectory: true } : {})}
        onChange={(event) => {
          const files = [...(event.currentTarget.files ?? [])];
          event.currentTarget.value = ""; // the same files can be chosen again
          if (files.length) onFiles(files);
        }}
      />
    </>
  );
}
