import { computed } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Announcer } from "./announcer.tsx";
import { Classes } from "./classes.tsx";
import { Confusion } from "./confusion.tsx";
import { Keeping } from "./keeping.tsx";
import { ModelPicker } from "./model-picker.tsx";
import { Notices } from "./notices.tsx";
import { Scores } from "./scores.tsx";
import { Scrubber } from "./scrubber.tsx";
import { problem, state } from "./session.ts";
import { Training } from "./training.tsx";
import { Tries } from "./tries.tsx";
import { Trouble } from "./trouble.tsx";
import { Words } from "./words.tsx";

const started = computed(() => state.value !== undefined);
const working = computed(() => started.value && problem.value?.kind !== "no-webgpu");

/** The whole page: what there is to learn on the left, what is learned on the right; one below the other on a phone. */
export function App() {
  useEffect(() => {
    // a file that misses its place must not replace the page
    const hold = (event: DragEvent) => event.preventDefault();
    addEventListener("dragover", hold);
    addEventListener("drop", hold);
    return () => {
      removeEventListener("dragover", hold);
      removeEventListener("drop", hold);
    };
  }, []);
  return (
    <>
      {working.value && (
        <a class="skip" href="#results">
          Skip to training and answers
        </a>
      )}
      <header>
        <h1>Teach CLIP your own classes</h1>
        <p>
          A few pictures of each class are enough. All of it happens in this browser: your pictures never leave this
          machine.
        </p>
      </header>
      <main>
        <Trouble />
        {working.value && <Work />}
        {!started.value && !problem.value && <Starting />}
      </main>
      <footer>
        <p class="soft">
          Prompt learning after{" "}
          <a href="https://arxiv.org/abs/2109.01134" rel="noreferrer">
            Zhou et al., “Learning to Prompt for Vision-Language Models”
          </a>
          : the words around a class name become numbers, and those are learned.
        </p>
      </footer>
      <Announcer />
      <Notices />
    </>
  );
}

function Work() {
  return (
    <div class="columns">
      <div class="column">
        <ModelPicker />
        <Classes />
      </div>
      <div class="column" id="results" tabIndex={-1}>
        <Scores />
        <Training />
        <Scrubber />
        <Tries />
        <Confusion />
        <Words />
        <Keeping />
      </div>
    </div>
  );
}

const Starting = () => (
  <p class="soft starting" role="status">
    Starting: the GPU, then what was kept of the last visit, then the model…
  </p>
);
