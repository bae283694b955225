import { useSignal } from "@preact/signals";
import { Confirm } from "./dialog.tsx";
import { FileButton } from "./file-buttons.tsx";
import { attempt } from "./notices.tsx";
import { ask, now } from "./session.ts";

/** Taking the run away, bringing one in, and forgetting everything. */
export function Keeping() {
  const trained = now.training.value.epochs.length > 0;
  const busy = useSignal(false);
  const clearing = useSignal(false);

  async function save(): Promise<void> {
    if (busy.value) return;
    busy.value = true;
    await attempt(async () => download(await ask((engine) => engine.exportRun()), "coop-run.zip"));
    busy.value = false;
  }

  return (
    <section aria-labelledby="keeping-title">
      <h2 id="keeping-title">Your work</h2>
      <p class="soft">
        Everything is kept in this browser, through a reload or a crash. An exported run has the files that{" "}
        <code>coop train</code> writes: use it with <code>coop predict</code>, or import it here again.
      </p>
      <div class="row">
        <button type="button" class="plain" disabled={!trained} aria-disabled={busy.value} onClick={save}>
          {busy.value ? "Packing…" : "Export run"}
        </button>
        <FileButton
          label="Import run"
          accept=".zip,.json,.safetensors"
          onFiles={(files) => attempt(() => ask((engine) => engine.importRun(files)))}
        />
        <button
          type="button"
          class="plain danger-text"
          onClick={() => {
            clearing.value = true;
          }}
        >
          Clear everything
        </button>
      </div>
      {clearing.value && (
        <Confirm
          title="Clear everything?"
          text="All classes, pictures, prompts and settings are removed from this browser. Downloaded models stay. This cannot be undone."
          act="Clear everything"
          onAct={() => void attempt(() => ask((engine) => engine.clear()))}
          onClose={() => {
            clearing.value = false;
          }}
        />
      )}
    </section>
  );
}

function download(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser may still be asking where to put it
}
