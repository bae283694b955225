import type { ComponentChildren } from "preact";

/** An area that scrolls by itself, by the keyboard too. */
export function Scroll({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: without it, arrow keys cannot scroll the area in every browser
    <section class="scroll" tabIndex={0} aria-label={label}>
      {children}
    </section>
  );
}
