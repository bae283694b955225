import { useSignal } from "@preact/signals";
import { addFolders, adding, waiting } from "./adding.ts";
import { ClassCard } from "./class-card.tsx";
import { Confirm } from "./dialog.tsx";
import { DropZone } from "./drop-zone.tsx";
import { FileButton } from "./file-buttons.tsx";
import { count } from "./format.ts";
import { chosenFolder } from "./intake.ts";
import { attempt } from "./notices.tsx";
import { ask, now } from "./session.ts";

const FEW = 4;

/** The classes with their pictures, and the ways to get some. */
export function Classes() {
  const classes = now.classes.value;
  return (
    <section aria-labelledby="classes-title">
      <h2 id="classes-title" tabIndex={-1}>
        Classes
      </h2>
      <Samples />
      <AddClass />
      <Work />
      <div class="cards">
        {classes.map((one) => (
          <ClassCard key={one.id} one={one} first={classes.length <= FEW ? 12 : 6} />
        ))}
      </div>
      <DropZone onDrop={addFolders}>
        <p class="soft" id="folder-help">
          Or drop a folder here: each folder of pictures within it becomes a class of that name.
        </p>
        <FileButton
          folder
          label="Add a folder of classes"
          describedBy="folder-help"
          onFiles={(files) => attempt(() => addFolders(chosenFolder(files)))}
        />
      </DropZone>
    </section>
  );
}

function AddClass() {
  const name = useSignal("");
  const classes = now.classes.value;
  return (
    <form
      class="row add-class"
      onSubmit={async (event) => {
        event.preventDefault();
        const wanted = name.value.trim();
        if (wanted && (await attempt(() => ask((engine) => engine.addClass(wanted))))) name.value = "";
      }}
    >
      <label class="field grow">
        <span>{classes.length === 0 ? "Name of the first class" : "Name of another class"}</span>
        <input
          type="text"
          autocomplete="off"
          maxLength={200}
          value={name.value}
          onInput={(event) => {
            name.value = event.currentTarget.value;
          }}
        />
      </label>
      <button type="submit" class="plain">
        Add class
      </button>
    </form>
  );
}

/** Buttons that bring a drawn set; where there are classes already, they ask before these go. */
function Samples() {
  const samples = now.samples.value;
  const classes = now.classes.value;
  const asked = useSignal<string | undefined>(undefined);
  const busy = useSignal<string | undefined>(undefined);
  if (samples.length === 0) return null;

  async function load(name: string): Promise<void> {
    if (busy.value !== undefined) return;
    busy.value = name;
    await attempt(() => ask((engine) => engine.loadSample(name)));
    busy.value = undefined;
  }

  return (
    <div class="samples">
      <p class="soft" id="samples-help">
        No pictures at hand? Load a drawn sample:
      </p>
      <ul class="row plain-list">
        {samples.map(({ name, title }) => (
          <li key={name}>
            <button
              type="button"
              class="plain"
              aria-disabled={busy.value !== undefined}
              onClick={() => {
                if (classes.length === 0) void load(name);
                else asked.value = name;
              }}
            >
              {busy.value === name ? "Drawing…" : title}
            </button>
          </li>
        ))}
      </ul>
      {asked.value !== undefined && (
        <Confirm
          title="Replace your classes?"
          text={`The sample takes the place of ${count(classes.length, "class", "classes")} and their pictures, which are removed from this browser.`}
          act="Replace them"
          onAct={() => void load(asked.value!)}
          onClose={() => {
            asked.value = undefined;
          }}
        />
      )}
    </div>
  );
}

/** What goes on with added pictures; keeps its line while there is nothing. */
function Work() {
  const files = adding.value;
  const text = files
    ? `Adding pictures: ${files.done.toLocaleString("en")} of ${files.of.toLocaleString("en")}`
    : waiting.value
      ? `The model looks at the pictures: ${waiting.value.toLocaleString("en")} to go`
      : "";
  return <p class="soft work">{text}</p>;
}
