import { useEffect, useRef } from "preact/hooks";
import { ask, round } from "./session.ts";

/** A small picture, asked for when it comes near the window. It says nothing to a screen reader: its name stands beside it. */
export function Thumbnail({ id }: { id: string }) {
  const image = useRef<HTMLImageElement>(null);
  const current = round.value;
  useEffect(() => {
    const shown = image.current!;
    if (shown.dataset.of === id) return;
    let gone = false;
    async function load(): Promise<void> {
      const blob = await ask((engine) => engine.thumbnail(id)).catch(() => undefined);
      if (gone || !blob) return;
      const url = URL.createObjectURL(blob);
      shown.onload = shown.onerror = () => URL.revokeObjectURL(url); // the element keeps what it shows
      shown.src = url;
      shown.dataset.of = id;
    }
    const stop = whenNear(shown, () => void load());
    return () => {
      gone = true;
      stop();
    };
  }, [id, current]);
  return (
    <span class="thumbnail">
      <img ref={image} alt="" width="72" height="72" />
    </span>
  );
}

const waiting = new WeakMap<Element, () => void>();
let observer: IntersectionObserver | undefined;

/** Calls `then` once, when the element is about to be seen. @returns ends the wait */
function whenNear(element: Element, then: () => void): () => void {
  observer ??= new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        observer!.unobserve(target);
        waiting.get(target)?.();
        waiting.delete(target);
      }
    },
    { rootMargin: "240px" },
  );
  waiting.set(element, then);
  observer.observe(element);
  return () => {
    observer!.unobserve(element);
    waiting.delete(element);
  };
}
