import { withoutSecrets } from "../clip/http.ts";
import { contextShape, type RunConfig, recipeFacts } from "./run-config.ts";
import { accuracy, interval, percent, type Score } from "./score.ts";

/** What the README needs besides the config. */
export interface CardOptions {
  /** of the run, for its heading */
  readonly title: string;
  /** the exact command, word for word: ["npx", "coop", "train", …] */
  readonly command: readonly string[];
  /** the folder of pictures, as it was given */
  readonly dataset: string;
}

/**
 * The run's `README.md`: the front matter of a Hugging Face model card, the result, the use, the exact command.
 * @example
 * const readme = runCard(config, { title: "pets", command: ["npx", "coop", "train", "pets"], dataset: "pets" });
 */
export function runCard(config: RunConfig, { title, command, dataset }: CardOptions): string {
  const { model, classes, options, recipe, metrics } = config;
  const shape = contextShape(config);
  const contexts = options.classSpecific ? "a context of its own for each class" : "one context for all classes";
  const start = options.initText === null ? "random numbers" : `“${options.initText}”`;
  const made = shellCommand(command);
  const fence = "`".repeat(Math.max(3, ...(made.match(/`+/g) ?? []).map((run) => run.length + 1)));
  const rows: [string, string][] = [
    ["model", `${model.name}${model.revision ? ` at ${model.revision}` : ""}`],
    ["weights SHA-256", model.sha256],
    [
      "context",
      `${options.contextTokens} tokens [${shape.join(", ")}], class name at the ${options.position}, ${contexts}`,
    ],
    ["began as", start],
    ["shots", `${recipe.shots} a class, seed ${recipe.seed}`],
    ...recipeFacts(config),
    ...Object.entries(config.versions),
  ];
  return `${frontMatter(config, title, dataset)}
# ${markdown(title)}

A prompt for CLIP, learned by CoOp: ${options.contextTokens} context vectors that stand where the words of a template would.
The model itself is unchanged; this folder holds only the prompt.

${results(metrics)}
## Use

\`\`\`sh
npx coop predict photo.jpg --prompt .
\`\`\`

It tells apart ${classes.length} classes: ${classes.map(markdown).join(", ")}.
${options.classSpecific ? "Each has a context of its own, so it serves no others.\n\n" : "\n"}## Made by

${fence}sh
${made}
${fence}

| | |
|---|---|
${rows.map((cells) => `| ${cells.map(markdown).join(" | ")} |`).join("\n")}

\`splits.json\` lists the pictures that were the shots and those held out, \`metrics.jsonl\` has a line for each epoch,
\`report.html\` shows both.
`;
}

/** A command as a POSIX shell takes it; words with anything unusual in them are in single quotes. */
export function shellCommand(words: readonly string[]): string {
  return words
    .map(withoutSecrets)
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(" ");
}

function frontMatter({ model, metrics }: RunConfig, title: string, dataset: string): string {
  const name = JSON.stringify(title);
  const base =
    model.revision === null ? "" : `base_model: ${JSON.stringify(model.name)}\nbase_model_relation: adapter\n`;
  const result = metrics?.coop.total
    ? `model-index:
- name: ${name}
  results:
  - task:
      type: image-classification
    dataset:
      name: ${JSON.stringify(dataset)}
      type: imagefolder
    metrics:
    - type: accuracy
      value: ${accuracy(metrics.coop)}
`
    : "";
  return `---
library_name: coop
pipeline_tag: image-classification
${base}tags:
- clip
- coop
- prompt-tuning
- few-shot
metrics:
- accuracy
${result}---
`;
}

function results(metrics: RunConfig["metrics"]): string {
  if (!metrics || metrics.coop.total === 0) return "It was not tested on held-out pictures.\n";
  const row = (name: string, score: Score) => {
    const [low, high] = interval(score);
    return `| ${name} | ${percent(accuracy(score))} | ${percent(low)} to ${percent(high)} | ${score.correct} of ${score.total} |`;
  };
  const { zeroShot, ensemble, probe, coop } = metrics;
  const used = (templates: readonly string[]) => templates.map((template) => `“${markdown(template)}”`).join(", ");
  const rows = [
    row("zero-shot", zeroShot),
    ...(ensemble ? [row("zero-shot, ensemble", ensemble)] : []),
    ...(probe ? [row("linear probe", probe)] : []),
    row("CoOp", coop),
  ];
  return `| on the held-out pictures | accuracy | 95 % interval | right |
|---|---|---|---|
${rows.join("\n")}

Zero-shot used ${used(zeroShot.templates)}.${ensemble ? ` The ensemble averages ${used(ensemble.templates)}.` : ""}
`;
}

/** Text from outside with nothing in it that Markdown or HTML would act on. */
export function markdown(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ")
    .replace(/[\\`*_[\]{}|~$#]/g, "\\$&")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;");
}
