import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { fileBytes } from "../clip/bytes.ts";
import { type Clip, DEFAULT_TEMPLATE } from "../clip/index.ts";
import { checkRunFolder, writeRunFolder } from "../coop/atomic.ts";
import { readLabelled } from "../coop/labelled.ts";
import { listNames } from "../coop/near.ts";
import { type ReferencePrompt, readReferencePrompt } from "../coop/reference-prompt.ts";
import { checkModel, classNamesOf, otherNames } from "../coop/reference-words.ts";
import { markdown, shellCommand } from "../coop/run-card.ts";
import { adapterConfigJson, CONFIG_FILE, type SavedConfig } from "../coop/run-config.ts";
import { adapterModel, MODEL_FILE } from "../coop/run-files.ts";
import { readTextFile } from "../coop/text-file.ts";
import { InputError } from "../tensor/errors.ts";
import { device } from "../tensor/index.ts";
import { type Command, type Input, MODEL_FLAG, UsageError } from "./command.ts";
import { modelName, openModel, unknownNames } from "./model.ts";
import { print, printJson, say } from "./print.ts";
import { versions } from "./versions.ts";

const POSITIONS = ["end", "middle", "front"] as const;

export const importCommand: Command = {
  summary: "Takes over a prompt that the reference implementation of CoOp learned.",
  usage: "FILE --out RUN --model SRC [flags]",
  details: `FILE is a prompt_learner/model.pth.tar-<epoch>. Nothing in it is run: only its tensors are read. Start token and class
names in it are compared with those of the model and the list, so that a wrong model or list is noticed.`,
  flags: {
    model: { ...MODEL_FLAG, help: "the CLIP that the prompt was learned on: RN50, ViT-B/16, a folder, …" },
    classes: { value: "A,B,C", help: "class names in the order of their labels (default: those that FILE keeps)" },
    "classes-from": { value: "PATH", help: "takes them from a folder of class folders, or a file with one a line" },
    position: {
      value: "WHERE",
      help: "where the class name stands: end, middle or front (default end; FILE does not say)",
    },
    "new-classes": { help: "the classes given are others than the learned ones (one context for all serves any)" },
    out: { value: "RUN", help: "folder to write, which must not exist yet" },
  },
  async run(input) {
    const path = input.only("FILE");
    const out = input.required("out");
    const position = positionOf(input);
    const given = await classesGiven(input);
    if (input.has("new-classes") && !given) throw new UsageError("--new-classes needs --classes or --classes-from.");
    await checkRunFolder(out);
    const source = await fileBytes(path);
    const prompt = await readReferencePrompt(source).finally(source.close);
    const { context, epoch, skipped } = prompt;
    if (skipped.length > 0)
      say(`Skipped in ${path}, not run: ${listNames(skipped, 8)}. (torch.load without weights_only runs them.)`);
    const clip = await openModel(input.text("model"));
    await checkModel(clip, prompt, path);
    const metaNet = prompt.metaNet && metaNetFor(clip, prompt.metaNet, path);
    const classes = await classesFor(clip, prompt, given, input.has("new-classes"), path);
    for (const note of unknownNames(clip, classes)) say(note);

    const [contextTokens, tokenDim] = context.shape.slice(-2);
    const config: SavedConfig = {
      model: { name: modelName(input.text("model")), revision: null, sha256: clip.sha256 },
      classes,
      options: { contextTokens, tokenDim, position, classSpecific: context.shape.length === 3, initText: null },
      recipe: null,
      metrics: null,
      versions: versions((await device()).description),
    };
    clip.free();
    const files = new Map<string, Uint8Array | string>([
      [CONFIG_FILE, adapterConfigJson(config)],
      [MODEL_FILE, adapterModel(context.data, config, metaNet)],
      ["README.md", card(config, ["coop", ...input.words], basename(path), epoch)],
    ]);
    await writeRunFolder(out, files);
    if (input.has("json"))
      printJson({ file: path, shape: context.shape, epoch: epoch ?? null, classes, position, skipped, out });
    else
      print(
        `saved ${out}   context [${context.shape.join(", ")}]${epoch === undefined ? "" : ` of epoch ${epoch}`}   ${classes.length} classes: ${listNames(classes)}\nuse   coop predict PICTURE --prompt ${out}`,
      );
    return 0;
  },
};

/** CoCoOp's network, which must fit the model's features and tokens. */
function metaNetFor({ config }: Clip, { linear1, linear2 }: NonNullable<ReferencePrompt["metaNet"]>, path: string) {
  const [hidden] = linear1.bias.shape;
  const fits = (found: readonly number[], wanted: readonly number[], name: string) => {
    if (found.join() !== wanted.join())
      throw new InputError(
        `${path}: "meta_net.${name}" is [${found.join(", ")}]; with this model it would be [${wanted.join(", ")}]. Give the CLIP that it was learned on (--model).`,
      );
  };
  fits(linear1.weight.shape, [hidden, config.embedDim], "linear1.weight");
  fits(linear2.weight.shape, [config.text.width, hidden], "linear2.weight");
  fits(linear2.bias.shape, [config.text.width], "linear2.bias");
  const data = ({ weight, bias }: typeof linear1) => ({ weight: weight.data, bias: bias.data });
  return { linear1: data(linear1), linear2: data(linear2) };
}

function positionOf(input: Input): (typeof POSITIONS)[number] {
  const position = input.text("position") ?? "end";
  const known = POSITIONS.find((name) => name === position);
  if (!known) throw new InputError(`--position is ${position}; give end, middle or front`);
  return known;
}

async function classesGiven(input: Input): Promise<readonly string[] | undefined> {
  const from = input.text("classes-from");
  if (from !== undefined && input.text("classes") !== undefined)
    throw new UsageError("--classes and --classes-from exclude each other.");
  if (from === undefined) return input.text("classes") === undefined ? undefined : input.list("classes");
  const info = await stat(from).catch(() => undefined);
  if (info?.isDirectory()) return (await readLabelled(from, "all")).classNames;
  const lines = (await readTextFile(from)).split(/\r?\n/).map((line) => line.trim());
  return lines.filter((line) => line !== "");
}

/** The class names of a prompt: those given, if they are the learned ones, or those that the file keeps. */
async function classesFor(
  clip: Clip,
  prompt: ReferencePrompt,
  given: readonly string[] | undefined,
  others: boolean,
  path: string,
): Promise<readonly string[]> {
  const learned = await classNamesOf(clip, prompt);
  if (!given) {
    if (learned) return learned;
    throw new InputError(`${path} does not keep the class names; give them with --classes or --classes-from.`);
  }
  const { shape } = prompt.context;
  const count = shape.length === 3 ? shape[0] : prompt.suffix?.shape[0];
  if (others && shape.length === 3)
    throw new InputError(`${path} has a context for each of its own classes; it cannot be used for others.`);
  if (others) return given;
  if (count !== undefined && given.length !== count)
    throw new InputError(`${path} was learned on ${count} classes, but ${given.length} are given.`);
  const wrong = (await otherNames(clip, prompt, given)) ?? [];
  if (wrong.length > 0) {
    const pairs = wrong.slice(0, 5).map((name) => `"${name}" (in the file "${learned?.[given.indexOf(name)]}")`);
    throw new InputError(
      `${path} was learned on other class names: ${listNames(pairs)}${wrong.length > 5 ? ` and ${wrong.length - 5} more` : ""}. Give them in the order of their labels, or --new-classes.`,
    );
  }
  return given;
}

function card(config: SavedConfig, command: readonly string[], file: string, epoch: number | undefined): string {
  const { model, options, classes } = config;
  return `---
library_name: coop
pipeline_tag: image-classification
tags:
- clip
- coop
- prompt-tuning
---

# ${markdown(file)}

A prompt for CLIP that the reference implementation of CoOp learned, taken over from its checkpoint
${markdown(file)}${epoch === undefined ? "" : ` (epoch ${epoch})`}. How it was trained is not known here.

\`\`\`sh
npx coop predict photo.jpg --prompt .
npx coop eval PICTURES --prompt . --template ${shellCommand([DEFAULT_TEMPLATE])}
\`\`\`

Model ${markdown(model.name)}, weights SHA-256 ${model.sha256}. ${options.contextTokens} context tokens, class name at the ${options.position},
${options.classSpecific ? "a context of its own for each class" : "one context for all classes"}. ${classes.length} classes: ${classes.map(markdown).join(", ")}.

Imported by:

\`\`\`\`sh
${shellCommand(command)}
\`\`\`\`
`;
}
