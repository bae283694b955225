import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import type { Settings } from "../protocol.ts";
import { DraftInput } from "./draft-input.tsx";
import { attempt } from "./notices.tsx";
import { ask, now } from "./session.ts";

const set = (change: Partial<Settings>) => attempt(() => ask((engine) => engine.set(change)));

/** How the next training is done. */
export function SettingsForm() {
  const settings = now.settings.value;
  return (
    <details class="settings">
      <summary>Settings</summary>
      <p class="soft">They take effect with the next training.</p>
      <div class="fields">
        <Whole name="shots" label="Pictures a class, at most" help="“Shots”: how many of each class it learns from." />
        <Whole
          name="contextTokens"
          label="Context vectors"
          help="M, the learned “words” before or around the name."
          most={64}
        />
        <Whole name="epochs" label="Epochs" help="Passes over the pictures." most={10000} />
        <Field
          label="Learning rate"
          help="At its height; it falls along a cosine."
          value={String(settings.learningRate)}
          inputMode="decimal"
          read={(text) => (Number(text) > 0 && Number.isFinite(Number(text)) ? Number(text) : undefined)}
          wrong="A number above 0, such as 0.002."
          onValue={(learningRate) => set({ learningRate })}
        />
        <Whole
          name="seed"
          label="Seed"
          help="Chooses the pictures, their order and the beginning."
          least={0}
          most={2 ** 31 - 1}
        />
        <Position value={settings.position} />
        <Field
          label="Words to begin with"
          help="Empty: random numbers. Else their vectors, such as those of “a photo of a”."
          value={settings.init}
          read={(text) => text.trim()}
          wrong=""
          onValue={(init) => set({ init })}
        />
        <Field
          label="Zero-shot prompt"
          help="{} stands for the class name."
          value={settings.template}
          read={(text) => (text.includes("{}") ? text.trim() : undefined)}
          wrong="It needs {} where the class name goes, as in “a photo of a {}.”"
          onValue={(template) => set({ template })}
        />
        <label class="check">
          <input
            type="checkbox"
            checked={settings.classSpecific}
            onChange={(event) => set({ classSpecific: event.currentTarget.checked })}
          />
          <span>
            A context of its own for each class <span class="help">Better with many pictures, worse with few.</span>
          </span>
        </label>
      </div>
    </details>
  );
}

function Position({ value }: { value: Settings["position"] }) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>Place of the class name</label>
      <select
        id={id}
        value={value}
        onChange={(event) => set({ position: event.currentTarget.value as Settings["position"] })}
      >
        <option value="end">after the context</option>
        <option value="middle">in its middle</option>
        <option value="front">in front of it</option>
      </select>
    </div>
  );
}

interface WholeProps {
  readonly name: "shots" | "contextTokens" | "epochs" | "seed";
  readonly label: string;
  readonly help: string;
  readonly least?: number;
  readonly most?: number;
}

function Whole({ name, label, help, least = 1, most = 1000 }: WholeProps) {
  return (
    <Field
      label={label}
      help={help}
      value={String(now.settings.value[name])}
      inputMode="numeric"
      read={(text) => {
        const value = Number(text);
        return text.trim() && Number.isInteger(value) && value >= least && value <= most ? value : undefined;
      }}
      wrong={`A whole number from ${least} to ${most.toLocaleString("en")}.`}
      onValue={(value) => set({ [name]: value })}
    />
  );
}

interface FieldProps<T> {
  readonly label: string;
  readonly help: string;
  readonly value: string;
  readonly inputMode?: "numeric" | "decimal";
  /** undefined where the text is wrong */
  readonly read: (text: string) => T | undefined;
  readonly wrong: string;
  readonly onValue: (value: T) => void;
}

function Field<T>({ label, help, value, inputMode, read, wrong, onValue }: FieldProps<T>) {
  const id = useId();
  const invalid = useSignal(false);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <DraftInput
        id={id}
        inputMode={inputMode}
        value={value}
        aria-invalid={invalid.value}
        aria-describedby={`${id}-help`}
        onCommit={(text) => {
          const wanted = read(text);
          invalid.value = wanted === undefined;
          if (wanted !== undefined) onValue(wanted);
        }}
      />
      <span id={`${id}-help`} class={invalid.value ? "help error" : "help"}>
        {invalid.value ? wrong : help}
      </span>
    </div>
  );
}
