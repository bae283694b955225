import type { Clip } from "../clip/index.ts";
import { device } from "../tensor/index.ts";
import { quotedTemplates } from "./asking.ts";
import { type Input, SHARED_FLAGS } from "./command.ts";
import { encodePictures } from "./model.ts";
import { print, printJson } from "./print.ts";

export { SHARED_FLAGS };

/** Labels of one picture, the most probable first. */
export interface Answer {
  readonly file: string;
  readonly labels: readonly { readonly label: string; readonly score: number }[];
}

/** Encodes pictures, asks how probable each label is, and prints the answers. */
export async function answer(
  input: Input,
  clip: Clip,
  question: {
    readonly labels: readonly string[];
    /** probabilities [N, K] of the labels for pictures, by their features [N, E] */
    readonly probabilities: (pictures: Float32Array) => Promise<Float32Array>;
    /** the arguments where not given */
    readonly files?: readonly string[];
    /** so many labels of each picture; all where not given */
    readonly topK?: number;
    readonly about: Readonly<Record<string, string | readonly string[]>>;
  },
): Promise<number> {
  const { labels, about, topK = labels.length, files = input.some("IMAGE") } = question;
  const probabilities = await question.probabilities(await encodePictures(clip, files));
  const results = files.map((file, i): Answer => {
    const row = probabilities.subarray(i * labels.length, (i + 1) * labels.length);
    const sorted = labels.map((label, k) => ({ label, score: row[k] })).sort((a, b) => b.score - a.score);
    return { file, labels: sorted.slice(0, topK) };
  });
  if (input.has("json")) printJson({ ...about, device: (await device()).description, results });
  else {
    for (const result of results) print(show(result, files.length > 1));
    print(
      Object.entries(about)
        .map(([key, value]) => `${key} ${typeof value === "string" ? value : quotedTemplates(value)}`)
        .join("   "),
    );
  }
  clip.free();
  return 0;
}

const BAR = 20;

function show({ file, labels }: Answer, named: boolean): string {
  const width = Math.max(...labels.map(({ label }) => label.length));
  const rows = labels
    .slice(0, 10)
    .map(({ label, score }) => `${label.padEnd(width)}  ${score.toFixed(3)}  ${"█".repeat(Math.round(BAR * score))}`);
  if (labels.length > rows.length)
    rows.push(`… ${labels.length - rows.length} more below ${labels[rows.length - 1].score.toFixed(3)}`);
  return [...(named ? [file] : []), ...rows, ""].join("\n");
}
