import type { Clip } from "../clip/index.ts";
import { checkFilePlace, writeFileAtomic } from "../coop/atomic.ts";
import { fitPrompt } from "../coop/fit.ts";
import { promptLearner } from "../coop/prompt-learner.ts";
import { chromeTrace, printProfile, profile, startProfilingDevice } from "../profile.ts";
import { InputError } from "../tensor/errors.ts";
import { free, tensor } from "../tensor/index.ts";
import { type Command, type Input, MODEL_FLAG, UsageError } from "./command.ts";
import { modelName, openModel } from "./model.ts";
import { print, printJson } from "./print.ts";

const POSITIONS = ["end", "middle", "front"] as const;

export const profileCommand: Command = {
  summary: "Times every kernel of a training step or of a tower, with its place in the code.",
  usage: "train|images|texts [flags]",
  details: `train: one CoOp step on random features. images: the image tower on random pictures. texts: the text tower on prompts
of the class names. DEBUG=coop prints the graph, the program and the plan of each traced function to stderr as well.`,
  flags: {
    model: MODEL_FLAG,
    batch: { value: "N", help: "pictures in a batch (default 32); not for texts" },
    steps: { value: "N", help: "runs to take the median of, after one that does not count (default 5)" },
    classes: { value: "K", help: "train and texts: number of made-up classes (default 10)" },
    names: { value: "A,B,C", help: "train and texts: class names instead of made-up ones" },
    "context-tokens": { value: "M", help: "train: vectors to learn (default 16)" },
    position: { value: "WHERE", help: `train: place of the class name, ${POSITIONS.join(", ")} (default end)` },
    "class-specific": { help: "train: a context of its own for each class" },
    plain: { help: "train: compute every prompt at the model's full context length" },
    rows: { value: "N", help: "rows of each table (default 12)" },
    trace: { value: "FILE", help: "write a trace for chrome://tracing or ui.perfetto.dev" },
  },
  run: runProfile,
};

/** What can be profiled: `run` does it once for each step, and `about` says what it was. */
interface Subject {
  /** Name of the program that the tables are about. */
  readonly program: string;
  readonly about: Readonly<Record<string, string | number | boolean>>;
  run(runs: number): Promise<void>;
}

const SUBJECTS: Readonly<
  Record<string, { readonly flags: readonly string[]; make(input: Input, clip: Clip): Subject }>
> = {
  train: {
    flags: ["batch", "classes", "names", "context-tokens", "position", "class-specific", "plain"],
    make: trainingStep,
  },
  images: { flags: ["batch"], make: imageTower },
  texts: { flags: ["classes", "names"], make: textTower },
};

async function runProfile(input: Input): Promise<number> {
  const what = input.only("what to profile (train, images or texts)");
  const subject = Object.hasOwn(SUBJECTS, what) ? SUBJECTS[what] : undefined;
  if (!subject)
    throw new UsageError(`"${what}" cannot be profiled; train, images and texts can. See \`coop profile --help\`.`);
  const foreign = Object.values(SUBJECTS)
    .flatMap(({ flags }) => flags)
    .find((flag) => !subject.flags.includes(flag) && (input.has(flag) || input.text(flag) !== undefined));
  if (foreign) throw new UsageError(`--${foreign} means nothing for ${what}. See \`coop profile --help\`.`);
  const steps = input.whole("steps", 5);
  const rows = input.whole("rows", 12);
  const file = input.text("trace");
  if (file !== undefined) await checkFilePlace(file);
  await startProfilingDevice();
  const clip = await openModel(input.text("model"));
  const { program, about, run } = subject.make(input, clip);
  const report = await profile(() => run(steps + 1));
  if (file !== undefined) await writeFileAtomic(file, JSON.stringify(chromeTrace(report)));
  if (input.has("json")) {
    const { timeline, programs, ...rest } = report;
    const model = modelName(input.text("model"));
    const own = programs.find(({ name }) => name === program);
    printJson({ subject: what, model, ...about, ...rest, program: own, trace: file });
  } else {
    const said = Object.entries(about).map(([key, value]) => `${key} ${value}`);
    print(`${[`model ${modelName(input.text("model"))}`, ...said].join(", ")}\n`);
    print(printProfile(report, { program, rows }));
    if (file !== undefined)
      print(`\nThe trace of all ${report.timeline.length} launches is in ${file}: open it in ui.perfetto.dev.`);
  }
  clip.free();
  return 0;
}

function classNames(input: Input, clip: Clip): string[] {
  if (input.text("names") === undefined) return madeUpNames(input.whole("classes", 10), clip);
  if (input.text("classes") !== undefined) throw new UsageError("--names and --classes exclude each other.");
  const names = input.list("names");
  if (names.length === 0) throw new InputError("--names holds no name; give some, such as cat,dog");
  return names;
}

/** Names that differ to this model, of one and of two words in turns: words that it knows as one token each. */
function madeUpNames(count: number, { tokenizer }: Clip): string[] {
  const words: string[] = [];
  for (let id = 0; id < tokenizer.vocabularySize && words.length < 2 * count; id++) {
    const word = tokenizer.tokenText(id).trim();
    const [first, ...others] = /^[a-z]{2,}$/.test(word) ? tokenizer.encode(word) : [];
    if (first === id && others.length === 0) words.push(word);
  }
  if (words.length === 0) return Array.from({ length: count }, (_, k) => `class ${k + 1}`);
  const word = (i: number) => words[i % words.length];
  return Array.from({ length: count }, (_, k) =>
    k % 2 === 0 && k < words.length ? word(k) : `${word(k)} ${word(k + 1 + Math.floor(k / words.length))}`,
  );
}

/** Numbers between −1 and 1; their values do not matter to the time. */
const noise = (length: number): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length }, (_, i) => Math.sin(12.9898 * i));

function trainingStep(input: Input, clip: Clip): Subject {
  const names = classNames(input, clip);
  const batch = input.whole("batch", 32);
  const contextTokens = input.whole("context-tokens", 16);
  const position = POSITIONS.find((one) => one === (input.text("position") ?? "end"));
  if (!position) throw new InputError(`--position is ${input.text("position")}; give ${POSITIONS.join(", ")}`);
  const options = { contextTokens, position, classSpecific: input.has("class-specific"), plain: input.has("plain") };
  const learner = promptLearner(clip, names, options);
  const examples = {
    features: noise(batch * clip.config.embedDim),
    labels: Int32Array.from({ length: batch }, (_, i) => i % names.length),
  };
  return {
    program: "the CoOp step",
    about: { classes: names.length, batch, ...options },
    async run(runs) {
      await fitPrompt(learner, examples, { epochs: runs, batchSize: batch, seed: 1 });
    },
  };
}

function imageTower(input: Input, clip: Clip): Subject {
  const batch = input.whole("batch", 32);
  const side = clip.config.vision.imageSize;
  return {
    program: "encodeImage",
    about: { batch },
    async run(runs) {
      const images = tensor(noise(batch * 3 * side * side), [batch, 3, side, side]);
      for (let i = 0; i < runs; i++) await readAndFree(clip.encodeImage(images));
      free(images);
    },
  };
}

function textTower(input: Input, clip: Clip): Subject {
  const texts = classNames(input, clip).map((name) => `a photo of a ${name}.`);
  const tokens = clip.tokenize(texts);
  return {
    program: "encodeText",
    about: { texts: texts.length },
    async run(runs) {
      for (let i = 0; i < runs; i++) await readAndFree(clip.encodeText(tokens));
    },
  };
}

async function readAndFree(features: ReturnType<Clip["encodeImage"]>): Promise<void> {
  await features.data();
  free(features);
}
