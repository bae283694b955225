import { useSignal } from "@preact/signals";
import type { ComponentChildren, HTMLAttributes } from "preact";
import { droppedFiles, type Intake } from "./intake.ts";
import { attempt } from "./notices.tsx";

/** Props that make an element take files dropped onto it, and whether some are held over it. */
export function useDrop(onDrop: (intake: Intake) => Promise<void>) {
  const over = useSignal(false);
  const props: Pick<HTMLAttributes<HTMLElement>, "onDragOver" | "onDragLeave" | "onDrop"> = {
    onDragOver(event) {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      event.stopPropagation();
      over.value = true;
    },
    onDragLeave(event) {
      if (!event.currentTarget.contains(event.relatedTarget as Node | null)) over.value = false;
    },
    onDrop(event) {
      event.preventDefault();
      event.stopPropagation();
      over.value = false;
      const data = event.dataTransfer;
      if (data) void attempt(async () => onDrop(await droppedFiles(data)));
    },
  };
  return { over, props };
}

/** An area to drop files onto, with the buttons that do the same. */
export function DropZone({
  onDrop,
  children,
}: {
  onDrop: (intake: Intake) => Promise<void>;
  children: ComponentChildren;
}) {
  const { over, props } = useDrop(onDrop);
  return (
    <div class={over.value ? "drop over" : "drop"} {...props}>
      {children}
    </div>
  );
}
