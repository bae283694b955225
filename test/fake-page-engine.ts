// The page's worker as its tests see it: answers at once, learns nothing, and does what a test tells it to.
import { expose } from "comlink";
import type { Answers, ClassifierName, ClassState, Engine, EpochState, PictureState, State } from "../web/protocol.ts";

/** What a test sends over the channel "fake-engine". */
export type Order = { readonly patch: Partial<State> } | { readonly crash: string } | { readonly pictures: number };

const KEPT = "/fake-engine-state";
const EPOCH = 60; // milliseconds
const VECTORS = 4;

let state: State = {
  adapter: "a software adapter",
  model: { status: "ready", source: "tiny" },
  samples: [
    { name: "textures", title: "Textures" },
    { name: "above", title: "Places from above" },
    { name: "shapes", title: "Shapes" },
  ],
  classes: [],
  tries: [],
  settings: {
    shots: 16,
    contextTokens: VECTORS,
    classSpecific: false,
    position: "end",
    init: "",
    epochs: 40,
    learningRate: 0.002,
    seed: 1,
    template: "a photo of a {}.",
  },
  training: { status: "idle", epochs: [], of: 40, outdated: false },
  scores: {},
};
let show: (state: State) => void = () => {};
let timer: ReturnType<typeof setInterval> | undefined;
let ids = Math.floor(Math.random() * 1e9);

const engine: Engine = {
  async start(onState) {
    const kept = await (await caches.open("fake")).match(KEPT);
    if (kept) state = await kept.json();
    show = onState;
    change({});
  },
  async loadModel(source) {
    if (source === "missing/model") throw new Error("huggingface.co has no model of that name: missing/model.");
    change({ model: { status: "loading", source, loaded: 212e6, total: 605157884 } });
  },
  async cancelModel() {
    change({ model: { status: "ready", source: "tiny" } });
  },
  async addClass(name) {
    if (state.classes.some((one) => one.name === name)) throw new Error(`There is a class called “${name}” already.`);
    const id = `class ${ids++}`;
    change({ classes: [...state.classes, { id, name, pictures: [] }] });
    return id;
  },
  async renameClass(id, name) {
    if (!name) throw new Error("A class needs a name.");
    change({ classes: state.classes.map((one) => (one.id === id ? { ...one, name } : one)) });
  },
  async removeClass(id) {
    change({ classes: state.classes.filter((one) => one.id !== id) });
  },
  async addPictures(to, files) {
    const refused = files.filter(({ name }) => /\.txt$/.test(name)).map(({ name }) => `${name}: not a picture`);
    const pictures = files.filter(({ name }) => !/\.txt$/.test(name)).map(({ name }) => picture(name));
    if (to === "tries") change({ tries: [...state.tries, ...pictures] });
    else {
      change({
        classes: state.classes.map((one) =>
          one.id === to ? { ...one, pictures: split([...one.pictures, ...pictures]) } : one,
        ),
      });
    }
    measure();
    return { added: pictures.length, refused };
  },
  async removePicture(id) {
    const without = (pictures: readonly PictureState[]) => pictures.filter((one) => one.id !== id);
    change({
      tries: without(state.tries),
      classes: state.classes.map((one) => ({ ...one, pictures: split(without(one.pictures)) })),
    });
    measure();
  },
  async loadSample() {
    change({ classes: ["striped", "dotted", "checkered", "plain"].map((name) => drawnClass(name, 20)) });
    change({ tries: [picture("something striped.png"), picture("something dotted.png")] });
    measure();
  },
  async clear() {
    await caches.delete("fake");
    change({ classes: [], tries: [], training: { status: "idle", epochs: [], of: 40, outdated: false }, scores: {} });
  },
  async thumbnail(id) {
    const canvas = new OffscreenCanvas(96, 96);
    const context = canvas.getContext("2d")!;
    context.fillStyle = `hsl(${hash(id) * 360} 40% 72%)`;
    context.fillRect(0, 0, 96, 96);
    context.fillStyle = `hsl(${hash(`${id}!`) * 360} 55% 42%)`;
    context.arc(48, 48, 14 + 24 * hash(`${id}?`), 0, 2 * Math.PI);
    context.fill();
    return canvas.convertToBlob();
  },
  async set(settings) {
    const outdated = state.training.epochs.length > 0;
    change({ settings: { ...state.settings, ...settings }, training: { ...state.training, outdated } });
  },
  async train() {
    change({ training: { status: "running", epochs: [], of: state.settings.epochs, outdated: false } });
    run();
  },
  async pause() {
    clearInterval(timer);
    change({ training: { ...state.training, status: "paused" } });
  },
  async resume() {
    change({ training: { ...state.training, status: "running" } });
    run();
  },
  async stop() {
    clearInterval(timer);
    change({ training: { ...state.training, status: "stopped" } });
  },
  async answers(of, by, epoch) {
    return answers(of, by, epoch ?? state.training.epochs.length);
  },
  async words() {
    return Array.from({ length: VECTORS }, (_, i) => ({
      vector: i + 1,
      nearest: ["texture", "surface", "pattern", "photo", "grey"].map((word, j) => ({ word, distance: 0.61 + j / 50 })),
      random: 0.587,
    }));
  },
  async exportRun() {
    return new Blob(["PK"], { type: "application/zip" });
  },
  async importRun(files) {
    throw new Error(`${files[0].name} is not a run: it has no adapter_config.json.`);
  },
};

function run(): void {
  clearInterval(timer);
  timer = setInterval(() => {
    const { epochs, of } = state.training;
    if (epochs.length >= of) {
      clearInterval(timer);
      return change({ training: { ...state.training, status: "finished" } });
    }
    const n = epochs.length + 1;
    const left = Math.exp((-4 * n) / of);
    const epoch: EpochState = {
      epoch: n,
      loss: 0.08 + 1.3 * left * (0.9 + 0.2 * hash(`loss ${n}`)),
      learningRate: 0.001 * (1 + Math.cos((Math.PI * n) / of)),
      accuracy: Math.min(1, 1 - 0.5 * left),
      heldOutAccuracy: Math.round(16 * (0.94 - 0.5 * left * (0.8 + 0.4 * hash(`accuracy ${n}`)))) / 16,
      seconds: (n * EPOCH) / 1000,
    };
    change({ training: { ...state.training, epochs: [...epochs, epoch] } });
    measure();
  }, EPOCH);
}

function answers(of: "held-out" | "shots" | "tries", by: ClassifierName, epoch: number): Answers {
  const chosen =
    of === "tries"
      ? state.tries.map(({ id }) => ({ id, label: -1 }))
      : state.classes.flatMap(({ pictures }, label) =>
          pictures.filter(({ heldOut }) => heldOut === (of === "held-out")).map(({ id }) => ({ id, label })),
        );
  const skill = by === "zero-shot" ? 0.4 : by === "probe" ? 0.9 : 0.4 + 0.9 * (epoch / state.training.of);
  const rows = chosen.map(({ id, label }) => {
    const truth = label < 0 ? Math.floor(hash(id) * state.classes.length) : label;
    const powers = state.classes.map((_, i) => Math.exp(2 * hash(`${id} ${i}`) + (i === truth ? skill : 0)));
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((power) => power / sum);
  });
  return {
    pictures: chosen.map(({ id }) => id),
    labels: Int32Array.from(chosen, ({ label }) => label),
    probabilities: Float32Array.from(rows.flat()),
  };
}

function measure(): void {
  const score = (by: ClassifierName) => {
    const { labels, probabilities } = answers("held-out", by, state.training.epochs.length);
    const k = state.classes.length;
    const best = Array.from(labels, (_, i) => {
      const row = probabilities.subarray(i * k, (i + 1) * k);
      return row.indexOf(Math.max(...row));
    });
    return { correct: best.filter((answer, i) => answer === labels[i]).length, count: labels.length };
  };
  const prompt = state.training.epochs.length ? { prompt: score("prompt") } : {};
  const scores = { "zero-shot": score("zero-shot"), probe: score("probe"), ...prompt };
  change({ scores: scores.probe.count ? scores : {} });
}

function change(part: Partial<State>): void {
  state = { ...state, ...part };
  show(state);
  const { problem: _, ...kept } = state;
  void caches.open("fake").then((cache) => cache.put(KEPT, new Response(JSON.stringify(kept))));
}

const picture = (name: string): PictureState => ({ id: `picture ${ids++}`, name, status: "encoded", heldOut: false });

const split = (pictures: readonly PictureState[]): readonly PictureState[] =>
  pictures.map((one, i) => ({ ...one, heldOut: pictures.length >= 3 && i % 5 === 2 }));

const drawnClass = (name: string, size: number): ClassState => ({
  id: `class ${ids++}`,
  name,
  pictures: split(Array.from({ length: size }, (_, i) => picture(`${name} ${i + 1}.png`))),
});

/** A number in [0, 1) that follows from a text. */
function hash(text: string): number {
  let value = 2166136261;
  for (const letter of text) value = Math.imul(value ^ letter.charCodeAt(0), 16777619);
  value = Math.imul(value ^ (value >>> 15), 2246822507);
  return ((value ^ (value >>> 13)) >>> 0) / 2 ** 32;
}

new BroadcastChannel("fake-engine").onmessage = ({ data }: MessageEvent<Order>) => {
  if ("patch" in data) change(data.patch);
  else if ("pictures" in data) {
    change({ classes: Array.from({ length: 10 }, (_, i) => drawnClass(`class ${i + 1}`, data.pictures / 10)) });
    measure();
  } else {
    clearInterval(timer);
    setTimeout(() => {
      throw new Error(data.crash);
    });
  }
};

expose(engine);
