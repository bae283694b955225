import { computed, signal, useSignalEffect } from "@preact/signals";
import { adding } from "./adding.ts";
import { percent, short } from "./format.ts";
import { now, problem, state } from "./session.ts";

const EVERY = 8000; // milliseconds between two sentences on the same matter
const said = signal("");

/** What goes on, in a sentence. The first word of its matter is what it may interrupt at once. */
const doing = computed<{ matter: string; text: string } | undefined>(() => {
  if (!state.value || problem.value) return undefined;
  const { status, epochs, of } = now.training.value;
  const last = epochs.at(-1);
  if (status !== "idle" && last) {
    const heldOut = last.heldOutAccuracy === undefined ? "" : `, ${percent(last.heldOutAccuracy)} on held-out pictures`;
    const text = `Epoch ${last.epoch} of ${of}: loss ${short(last.loss)}${heldOut}.`;
    return { matter: `training ${status}`, text: status === "running" ? text : `Training ${status}. ${text}` };
  }
  if (adding.value) return { matter: "adding", text: `Adding pictures, ${adding.value.done} of ${adding.value.of}.` };
  const { status: loading, loaded, total, error } = now.model.value;
  if (loading === "loading" && total) {
    return { matter: "loading", text: `Loading the model, ${percent((loaded ?? 0) / total, 0)}.` };
  }
  return { matter: `model ${loading}`, text: loading === "ready" ? "The model is ready." : (error ?? "") };
});

/** Tells screen readers how training and loading go: a new matter at once, news of the same one now and then. */
export function Announcer() {
  useSignalEffect(() => {
    const current = doing.value;
    if (!current) return;
    const speak = () => {
      lastMatter = current.matter;
      lastTime = performance.now();
      said.value = current.text;
    };
    const wait = current.matter === lastMatter ? lastTime + EVERY - performance.now() : 0;
    if (wait <= 0) return speak();
    const timer = setTimeout(speak, wait);
    return () => clearTimeout(timer);
  });
  return (
    <p class="visually-hidden" role="status">
      {said.value}
    </p>
  );
}

let lastMatter = "";
let lastTime = 0;
