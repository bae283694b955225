import type { PlotOptions } from "@observablehq/plot";
import { InputError } from "../../tensor/errors.ts";

export type PlotLibrary = typeof import("@observablehq/plot");

/** Observable Plot, and a way to draw with it where there is no browser. */
export interface Plotter {
  readonly Plot: PlotLibrary;
  /** An SVG element as text; `summary` is what it says to who cannot see it. */
  svg(summary: string, options: PlotOptions): string;
}

/** @throws InputError where the packages are not installed */
export async function openPlotter(): Promise<Plotter> {
  const [Plot, { parseHTML }] = await Promise.all([import("@observablehq/plot"), import("linkedom")]).catch((cause) => {
    throw new InputError(
      "Reports are drawn by the packages @observablehq/plot and linkedom, which are not installed: run `npm install @observablehq/plot linkedom`.",
      { cause },
    );
  });
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  return {
    Plot,
    svg(summary, options) {
      const drawn = Plot.plot({ document, className: "plot", ariaLabel: summary, ...options });
      drawn.setAttribute("role", "img");
      drawn.setAttribute("xmlns", "http://www.w3.org/2000/svg");
      for (const style of drawn.querySelectorAll("style")) style.remove(); // the page's own serves all
      return drawn.outerHTML;
    },
  };
}
