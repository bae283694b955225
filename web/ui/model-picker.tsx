import { useSignal } from "@preact/signals";
import type { ModelState } from "../protocol.ts";
import { bytes } from "./format.ts";
import { attempt } from "./notices.tsx";
import { online } from "./online.ts";
import { ask, now } from "./session.ts";

const CLIP = "openai/clip-vit-base-patch32";

const CHOICES = [
  {
    source: "tiny",
    title: "Tiny",
    facts: "2.6 MB, comes with the page",
    text: "Ready at once. It knows only the drawn world of the samples, so for photos of your own take CLIP.",
  },
  {
    source: CLIP,
    title: "CLIP ViT-B/32",
    facts: "605 MB from huggingface.co",
    text: "Knows photos and everyday words. Downloaded once, then kept in this browser's storage for this site.",
  },
  {
    source: "other",
    title: "Another CLIP",
    facts: "by its name on huggingface.co",
    text: "Any CLIP with a model.safetensors file; kept like the one above.",
  },
] as const;

/** Which model looks at the pictures. Choosing one that must be downloaded loads nothing until its button is pressed. */
export function ModelPicker() {
  const model = now.model.value;
  const chosen = useSignal<string | undefined>(undefined);
  const typed = useSignal<string | undefined>(undefined);
  const name = typed.value ?? (isListed(model.source) ? "" : model.source);
  const choice = chosen.value ?? (isListed(model.source) ? model.source : "other");
  const source = choice === "other" ? name.trim() : choice;
  const loading = model.status === "loading";
  const differs = source !== "" && (source !== model.source || model.status === "failed" || model.status === "none");

  function load(): Promise<boolean> {
    return attempt(async () => {
      await ask((engine) => engine.loadModel(source));
      chosen.value = typed.value = undefined;
    });
  }

  return (
    <section aria-labelledby="model-title" class="model">
      <h2 id="model-title">Model</h2>
      <fieldset>
        <legend class="visually-hidden">Which model looks at the pictures</legend>
        {CHOICES.map(({ source: value, title, facts, text }) => (
          <label class="choice" key={value}>
            <input
              type="radio"
              name="model"
              value={value}
              checked={choice === value}
              onChange={() => {
                chosen.value = value;
              }}
            />
            <span>
              <strong>{title}</strong> <span class="soft">{facts}</span>
              {choice === value && <span class="text">{text}</span>}
            </span>
          </label>
        ))}
      </fieldset>
      {choice === "other" && (
        <label class="field wide">
          <span>Name of the model</span>
          <input
            type="text"
            placeholder="laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
            autocomplete="off"
            spellcheck={false}
            value={name}
            onInput={(event) => {
              typed.value = event.currentTarget.value;
            }}
            onKeyDown={(event) => {
              if (event.key === "Enter" && differs && !loading) void load();
            }}
          />
        </label>
      )}
      {differs && !loading && (
        <div class="row">
          <button type="button" onClick={load}>
            {source === CLIP
              ? "Download and use, 605 MB"
              : source === "tiny"
                ? "Use the tiny model"
                : "Download and use"}
          </button>
          {!online.value && source !== "tiny" && (
            <span class="soft">You are offline: this works only for a model that is kept here already.</span>
          )}
        </div>
      )}
      <Progress model={model} />
    </section>
  );
}

const isListed = (source: string): boolean => CHOICES.some((choice) => choice.source === source);

/** How far a download is, where the model is not ready yet; else that it is ready. */
function Progress({ model }: { model: ModelState }) {
  if (model.status === "failed") {
    return (
      <p class="error" role="alert">
        {model.error ?? "The model could not be loaded."}
      </p>
    );
  }
  if (model.status === "ready") {
    return (
      <p class="soft status">
        <span class="dot good" /> {nameOf(model.source)} is ready
        {now.adapter.value && <> on {now.adapter.value}</>}.
      </p>
    );
  }
  if (model.status === "none") return null;
  const { loaded = 0, total } = model;
  return (
    <div class="progress">
      <div class="row between">
        <span id="model-progress">Loading {nameOf(model.source)}</span>
        <span class="soft number">{total ? `${bytes(loaded)} of ${bytes(total)}` : bytes(loaded)}</span>
      </div>
      <progress aria-labelledby="model-progress" value={total ? loaded : undefined} max={total ?? 1} />
      {model.source !== "tiny" && (
        <button type="button" class="plain" onClick={() => attempt(() => ask((engine) => engine.cancelModel()))}>
          Cancel the download
        </button>
      )}
    </div>
  );
}

const nameOf = (source: string): string => (source === "tiny" ? "The tiny model" : source);
