import { useSignal } from "@preact/signals";
import type { ClassState } from "../protocol.ts";
import { addFiles, forgetRefused, refused } from "./adding.ts";
import { Confirm } from "./dialog.tsx";
import { DraftInput } from "./draft-input.tsx";
import { useDrop } from "./drop-zone.tsx";
import { FileButton } from "./file-buttons.tsx";
import { count } from "./format.ts";
import { allFiles, chosenFolder, type Intake } from "./intake.ts";
import { attempt } from "./notices.tsx";
import { LeftOut, Pictures } from "./pictures.tsx";
import { ask, now } from "./session.ts";
import { Webcam, WebcamButton, webcamAt } from "./webcam.tsx";

/** A class: its name, which can be changed at any time, and its pictures, `first` of them at first. */
export function ClassCard({ one, first }: { one: ClassState; first: number }) {
  const { id, name, pictures } = one;
  const removing = useSignal(false);
  const { over, props } = useDrop((intake: Intake) => addFiles(id, allFiles(intake)));
  const unreadable = pictures.filter(({ status }) => status === "unreadable");
  const leftOut = [
    ...unreadable.map((picture) => `${picture.name}: ${picture.reason ?? "not a picture this browser can read"}`),
    ...(refused.value.get(id) ?? []),
  ];

  function remove(): void {
    void attempt(async () => {
      await ask((engine) => engine.removeClass(id));
      document.getElementById("classes-title")!.focus({ preventScroll: true });
    });
  }
  function forget(): void {
    forgetRefused(id);
    void attempt(async () => {
      for (const picture of unreadable) await ask((engine) => engine.removePicture(picture.id));
    });
  }

  return (
    <article class={over.value ? "card drop-target over" : "card drop-target"} aria-label={`Class ${name}`} {...props}>
      <div class="row">
        <Name id={id} name={name} />
        <button
          type="button"
          class="quiet"
          aria-label={`Remove class ${name}`}
          onClick={() => {
            if (pictures.length === 0) remove();
            else removing.value = true;
          }}
        >
          Remove
        </button>
      </div>
      <p class="soft counts">{summary(one)}</p>
      <Pictures pictures={pictures} of={name} first={first} />
      <LeftOut lines={leftOut} onForget={forget} />
      {webcamAt.value === id ? (
        <Webcam place={id} of={name} />
      ) : (
        <div class="row tight">
          <FileButton label="Add pictures" accept="image/*" onFiles={(files) => attempt(() => addFiles(id, files))} />
          <FileButton
            folder
            label="Folder"
            onFiles={(files) => attempt(() => addFiles(id, allFiles(chosenFolder(files))))}
          />
          <WebcamButton place={id} />
          <span class="soft hint">or drop them here</span>
        </div>
      )}
      {removing.value && (
        <Confirm
          title={`Remove “${name}”?`}
          text={`Its ${count(pictures.length, "picture")} are removed from this browser with it; your files stay as they are.`}
          act="Remove class"
          onAct={remove}
          onClose={() => {
            removing.value = false;
          }}
        />
      )}
    </article>
  );
}

/** The class's name; Enter or leaving the field keeps it, Escape brings back the one before. */
function Name({ id, name }: { id: string; name: string }) {
  return (
    <DraftInput
      class="class-name"
      aria-label="Class name"
      maxLength={200}
      value={name}
      onCommit={async (text, restore) => {
        if (!(await attempt(() => ask((engine) => engine.renameClass(id, text.trim()))))) restore();
      }}
    />
  );
}

function summary({ pictures }: ClassState): string {
  const usable = pictures.filter(({ status }) => status !== "unreadable");
  const heldOut = usable.filter((picture) => picture.heldOut).length;
  if (usable.length === 0) return "No pictures yet";
  if (usable.length < 3) return `${count(usable.length, "picture")}; from three on, some are held out to measure with`;
  const learning = Math.min(usable.length - heldOut, now.settings.value.shots);
  return `${count(usable.length, "picture")}: ${learning} to learn from, ${heldOut} held out`;
}
