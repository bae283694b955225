import { fileBytes, oneLine, textDecoder } from "../clip/bytes.ts";
import { FormatError, InputError } from "../tensor/errors.ts";
import type { SkipReport } from "./pairs-skipped.ts";
import { captionsOf, captionText } from "./pairs-table.ts";
import { fieldsOf, isGarbled } from "./table-rows.ts";
import { type TarMember, tarMembers } from "./tar.ts";

/** The pairs of some archives: their keys, captions, and how to read a picture. */
export interface Shards {
  /** "shard.tar: key" */
  readonly keys: readonly string[];
  readonly captions: readonly string[];
  image(i: number): Promise<Uint8Array>;
}

/** What an archive holds of one key. */
interface Sample {
  image?: TarMember;
  text?: TarMember;
  json?: TarMember;
}

const KINDS: readonly (readonly [keyof Sample, RegExp])[] = [
  ["image", /^(jpe?g|png|webp|gif|bmp|tiff?|avif)$/],
  ["text", /^(txt|caption)$/],
  ["json", /^json$/],
];
const MAX_SHARDS = 100_000;
const MAX_CAPTION = 2 ** 20; // bytes
const MAX_PICTURE = 2 ** 26; // bytes; larger ones are not decoded either

/**
 * Indexes archives in webdataset's form: members of one name up to the first dot of its last part are one sample. A list
 * of captions makes a pair of each. Names are keys and nothing else: nothing is unpacked. What is left out is reported,
 * and so is an archive that is damaged, from there on.
 */
export async function openShards(paths: readonly string[], report: SkipReport): Promise<Shards> {
  const [keys, captions]: string[][] = [[], []];
  const places: { shard: string; offset: number; size: number }[] = [];
  for (const shard of paths) {
    const file = await fileBytes(shard);
    try {
      for (const [key, sample] of await samples(file, report)) {
        const where = `${file.name}: ${oneLine(key)}`;
        if (!sample.image) {
          report.add("captions without a picture", where);
          continue;
        }
        if (sample.image.size > MAX_PICTURE) {
          report.add("pictures of over 64 MiB", where);
          continue;
        }
        const found = await captionsIn(file, sample);
        if (found.length === 0)
          report.add(sample.text || sample.json ? "empty captions" : "pictures without a caption", where);
        for (const caption of found) {
          if (isGarbled(caption)) {
            report.add("captions that are not UTF-8", where);
            continue;
          }
          keys.push(where);
          captions.push(caption);
          places.push({ shard, offset: sample.image.offset, size: sample.image.size });
        }
      }
    } finally {
      await file.close();
    }
  }
  return {
    keys,
    captions,
    async image(i) {
      const { shard, offset, size } = places[i];
      const file = await fileBytes(shard);
      return file.read(offset, size).finally(file.close);
    },
  };
}

async function samples(file: Awaited<ReturnType<typeof fileBytes>>, report: SkipReport): Promise<Map<string, Sample>> {
  const found = new Map<string, Sample>();
  try {
    for await (const member of tarMembers(file)) {
      const [, key, extension] = /^((?:.*\/)?[^/.][^/.]*)\.([^/]+)$/s.exec(member.name) ?? [];
      const kind = KINDS.find(([, pattern]) => pattern.test(extension?.toLowerCase() ?? ""))?.[0];
      if (!kind) continue;
      const sample = found.get(key) ?? {};
      if (sample[kind]) report.add("second members of one name", `${file.name}: ${oneLine(member.name)}`);
      else sample[kind] = member;
      found.set(key, sample);
    }
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    report.add("the rest of damaged archives", error.message);
  }
  return found;
}

async function captionsIn(file: Awaited<ReturnType<typeof fileBytes>>, { text, json }: Sample): Promise<string[]> {
  const read = async (member: TarMember | undefined) => {
    if (!member || member.size > MAX_CAPTION) return "";
    const bytes = await file.read(member.offset, member.size);
    return textDecoder(bytes, false).decode(bytes);
  };
  const written = captionText(await read(text));
  const found = written ? [written] : captionsOf(fieldsOf(await read(json)) ?? {}).map(captionText);
  return found.filter((caption) => caption !== undefined);
}

/** The names that braces stand for, as in a shell: `a-{08..10}.tar` for a-08.tar, a-09.tar, a-10.tar; `{x,y}.tar` too. */
export function expandBraces(pattern: string): string[] {
  const match = /^(.*?)\{([^{}]*)\}(.*)$/s.exec(pattern);
  if (!match) return [pattern];
  const [, before, inside, behind] = match;
  const range = /^(\d+)\.\.(\d+)$/.exec(inside);
  if (!range && !inside.includes(",")) return [pattern];
  const [from, to] = range ? [Number(range[1]), Number(range[2])] : [0, 0];
  const choices = range
    ? Array.from({ length: Math.max(0, Math.min(to - from, MAX_SHARDS) + 1) }, (_, i) =>
        String(from + i).padStart(range[1].length, "0"),
      )
    : inside.split(",");
  const ends = expandBraces(behind);
  if (choices.length * ends.length > MAX_SHARDS)
    throw new InputError(`${oneLine(pattern)} stands for over ${MAX_SHARDS} files. Give fewer.`);
  return choices.flatMap((choice) => ends.map((end) => before + choice + end));
}
