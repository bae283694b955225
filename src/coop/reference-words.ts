import { type Clip, embedTokens } from "../clip/index.ts";
import { InputError } from "../tensor/errors.ts";
import { free, type Tensor, tensor } from "../tensor/index.ts";
import { nearestTokens } from "./nearest-words.ts";
import type { HostTensor, ReferencePrompt } from "./reference-prompt.ts";

/**
 * Embeddings of the same token may differ by so much of their length: the reference keeps them in half precision. Those
 * of different tokens differ by more than a half.
 */
const SAME = 0.02;

/** What the reference saves beside a context: the embeddings of all that is not learned. */
export async function promptWords(
  clip: Clip,
  classNames: readonly string[],
  contextTokens: number,
): Promise<{ prefix: HostTensor; suffix: HostTensor }> {
  const { width } = clip.config.text;
  const length = suffixLength(clip, contextTokens);
  const rows = classNames.map((name) => suffixTokens(clip, name, length));
  const data = await embeddings(clip, [clip.tokenizer.startToken, ...rows.flat()]);
  const count = classNames.length;
  const prefix = new Float32Array(count * width);
  for (let k = 0; k < count; k++) prefix.set(data.subarray(0, width), k * width);
  return {
    prefix: { shape: [count, 1, width], data: prefix },
    suffix: { shape: [count, length, width], data: data.slice(width) },
  };
}

const suffixLength = (clip: Clip, contextTokens: number): number => clip.config.text.contextLength - 1 - contextTokens;

/** Name, full stop, end token, and zeros up to the end, as the reference tokenizes them. */
function suffixTokens({ tokenizer }: Clip, className: string, length: number): number[] {
  const ids = [...tokenizer.encode(`${className.replaceAll("_", " ")}.`), tokenizer.endToken];
  if (ids.length > length)
    throw new InputError(`The class name "${className}" is too long: ${ids.length} tokens, and ${length} fit.`);
  return [...ids, ...new Array<number>(length - ids.length).fill(0)];
}

async function embeddings(clip: Clip, ids: readonly number[]): Promise<Float32Array> {
  const tokens = tensor(Int32Array.from(ids));
  const rows: Tensor = embedTokens(clip.params.text, tokens);
  const values = Float32Array.from((await rows.data()) as ArrayLike<number>);
  free([tokens, rows]);
  return values;
}

/**
 * Whether a prompt of the reference fits a model: widths and lengths, and the embeddings that it keeps of the start token.
 *
 * @throws InputError that says what does not fit
 */
export async function checkModel(clip: Clip, prompt: ReferencePrompt, file: string): Promise<void> {
  const { width, contextLength } = clip.config.text;
  const { context, prefix, suffix } = prompt;
  const [contextTokens, dim] = context.shape.slice(-2);
  const classes = context.shape.length === 3 ? context.shape[0] : undefined;
  const wrong = (why: string): never => {
    throw new InputError(`${file}: ${why}. It was learned on another model; give that with --model.`);
  };
  if (dim !== width) wrong(`its vectors have ${dim} numbers, but ${clip.name} takes ${width}`);
  if (contextTokens > contextLength - 3)
    wrong(`its context has ${contextTokens} tokens, but ${clip.name} takes ${contextLength} with everything`);
  const shaped = (name: string, tensor: HostTensor | undefined, length: number) => {
    if (!tensor) return;
    const count = classes ?? tensor.shape[0];
    if (tensor.shape.join() !== [count, length, width].join())
      wrong(`"${name}" is [${tensor.shape.join(", ")}], not [${classes ?? "K"}, ${length}, ${width}]`);
  };
  shaped("token_prefix", prefix, 1);
  shaped("token_suffix", suffix, suffixLength(clip, contextTokens));
  if (!prefix) return;
  const start = await embeddings(clip, [clip.tokenizer.startToken]);
  for (let k = 0; k < prefix.shape[0]; k++)
    if (!same(prefix.data.subarray(k * width, (k + 1) * width), start))
      wrong(`the start token that it keeps is not that of ${clip.name}`);
}

/**
 * The classes whose names are not those that a prompt was learned with, by their embeddings; undefined where the file
 * does not keep them.
 */
export async function otherNames(
  clip: Clip,
  { suffix, context }: ReferencePrompt,
  classNames: readonly string[],
): Promise<string[] | undefined> {
  if (!suffix) return undefined;
  const expected = await promptWords(clip, classNames, context.shape[context.shape.length - 2]);
  const [count, length, width] = suffix.shape;
  const row = ({ data }: HostTensor, i: number) => data.subarray(i * width, (i + 1) * width);
  const agrees = (k: number) =>
    k < count &&
    Array.from({ length }, (_, i) => k * length + i).every((i) => same(row(suffix, i), row(expected.suffix, i)));
  return classNames.filter((_, k) => !agrees(k));
}

/** The class names that a prompt was learned with, read back from their embeddings, in lower case as they were tokenized. */
export async function classNamesOf(clip: Clip, { suffix }: ReferencePrompt): Promise<string[] | undefined> {
  if (!suffix) return undefined;
  const [count, length, width] = suffix.shape;
  const end = await embeddings(clip, [clip.tokenizer.endToken]);
  const row = (k: number, i: number) => suffix.data.subarray((k * length + i) * width, (k * length + i + 1) * width);
  const rows = Array.from({ length: count }, (_, k) => {
    const all = Array.from({ length }, (_, i) => row(k, i));
    const stop = all.findIndex((vector) => same(vector, end));
    if (stop < 0) throw new InputError(`No end token is found behind the name of class ${k} in "token_suffix".`);
    return all.slice(0, stop);
  });
  // each word is looked up once, however many classes have it
  const distinct = new Map(rows.flat().map((vector) => [vector.join(), vector]));
  const queries = new Float32Array(distinct.size * width);
  [...distinct.values()].forEach((vector, i) => queries.set(vector, i * width));
  const found = await nearestTokens(clip.params.text.tokenEmbedding, queries, 1);
  const tokens = new Map([...distinct.keys()].map((key, i) => [key, found[i][0].id]));
  return rows.map((vectors) =>
    clip.tokenizer.decode(vectors.map((vector) => tokens.get(vector.join())!)).replace(/\s*\.$/, ""),
  );
}

/** Whether two vectors are the same but for rounding. */
function same(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  let [apart, length] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    apart += (a[i] - b[i]) ** 2;
    length += b[i] ** 2;
  }
  return apart <= SAME ** 2 * length;
}
