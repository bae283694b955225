import { useEffect, useRef } from "preact/hooks";

interface Props {
  readonly value: string;
  /** Enter, or the field was left, with another text in it; `restore` brings back `value`. */
  readonly onCommit: (text: string, restore: () => void) => void;
  readonly id?: string;
  readonly class?: string;
  readonly inputMode?: "numeric" | "decimal";
  readonly maxLength?: number;
  readonly "aria-label"?: string;
  readonly "aria-invalid"?: boolean;
  readonly "aria-describedby"?: string;
}

/** A text field that keeps what is being typed however often the page is drawn meanwhile; Escape takes it back. */
export function DraftInput({ value, onCommit, ...rest }: Props) {
  const input = useRef<HTMLInputElement>(null);
  const typed = useRef(false);
  function restore(): void {
    typed.current = false;
    input.current!.value = value;
  }
  useEffect(() => {
    if (!typed.current) input.current!.value = value;
  }, [value]);
  return (
    <input
      {...rest}
      ref={input}
      type="text"
      autocomplete="off"
      defaultValue={value}
      onInput={() => {
        typed.current = true;
      }}
      onChange={(event) => {
        typed.current = false;
        if (event.currentTarget.value !== value) onCommit(event.currentTarget.value, restore);
      }}
      onKeyDown={(event) => {
        if (event.key === "Escape") restore();
      }}
    />
  );
}
