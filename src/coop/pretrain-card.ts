import { markdown, shellCommand } from "./run-card.ts";

/** What the README of a trained model tells. */
export interface PretrainCard {
  readonly title: string;
  /** The exact command, word for word. */
  readonly command: readonly string[];
  /** Names and values of settings and results, in order. */
  readonly facts: readonly (readonly [name: string, value: string])[];
}

/** The model's `README.md`: the front matter of a Hugging Face model card, how it was made, how to use it. */
export const pretrainCard = ({ title, command, facts }: PretrainCard): string => `---
library_name: coop
pipeline_tag: zero-shot-image-classification
tags: [clip, coop]
---

# ${markdown(title)}

A CLIP, trained contrastively on pairs of pictures and captions by coop. The files are in Hugging Face's layout.

\`\`\`sh
npx coop zero-shot photo.jpg --labels cat,dog --model .
\`\`\`

## Made by

\`\`\`\`sh
${shellCommand(command)}
\`\`\`\`

| | |
|---|---|
${facts.map((cells) => `| ${cells.map(markdown).join(" | ")} |`).join("\n")}

\`metrics.jsonl\` has a line for each step and each epoch.
`;
