import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { Problem } from "../protocol.ts";
import { attempt } from "./notices.tsx";
import { goOn, problem } from "./session.ts";

const TITLES: Readonly<Record<Problem["kind"], string>> = {
  "no-webgpu": "This browser gives the page no GPU",
  "device-lost": "The GPU was lost",
  crashed: "Something broke",
  storage: "This browser keeps no more",
};

/** What stands in the way, and how to go on. */
export function Trouble() {
  const busy = useSignal(false);
  const current = problem.value;

  async function again(): Promise<void> {
    busy.value = true;
    if (await attempt(goOn)) document.getElementById("results")?.focus({ preventScroll: true });
    busy.value = false;
  }

  return (
    <div role="alert">
      {current && (
        <section class={`trouble ${current.kind}`} aria-labelledby="trouble-title">
          <h2 id="trouble-title">{TITLES[current.kind]}</h2>
          <p>{current.message}</p>
          {advice(current.kind)}
          {current.kind !== "storage" && (
            <button type="button" disabled={busy.value} onClick={again}>
              {busy.value ? "Starting again…" : current.kind === "no-webgpu" ? "Look again" : "Go on"}
            </button>
          )}
        </section>
      )}
    </div>
  );
}

function advice(kind: Problem["kind"]): ComponentChildren {
  switch (kind) {
    case "no-webgpu":
      return (
        <ul>
          {!isSecureContext && <li>Open the page by https or on localhost: browsers give WebGPU to no other page.</li>}
          <li>Use a browser with WebGPU: Chrome or Edge 113 or newer, Safari 26, or Firefox 141 on Windows.</li>
          <li>Turn on graphics acceleration in the browser's settings and start it again.</li>
          <li>
            On Linux, Chrome may need <code>chrome://flags/#enable-unsafe-webgpu</code>.
          </li>
          <li>
            The command line needs no browser: <code>coop train</code> does the same, without a GPU too.
          </li>
        </ul>
      );
    case "device-lost":
    case "crashed":
      return null;
    case "storage":
      return (
        <p>
          Export the run, then remove pictures or classes that you do not need. Private windows keep little; an ordinary
          one keeps more.
        </p>
      );
  }
}
