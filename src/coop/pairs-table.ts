import { oneLine } from "../clip/bytes.ts";
import { InputError } from "../tensor/errors.ts";
import type { SkipReport } from "./pairs-skipped.ts";

/** A picture's name and a caption out of a list. */
export interface PairRow {
  readonly image: string;
  readonly caption: string;
  /** Where it stands: "line 7". */
  readonly where: string;
}

/** Names of the columns and keys, the best first. */
const IMAGE = ["image", "filepath", "file_name", "filename", "file", "image_path", "path", "url"];
const CAPTION = ["caption", "captions", "text", "title"];
const DELIMITERS = [",", "\t", ";"];
const MAX_RECORD = 2 ** 20; // characters: a quote that is never closed must not swallow the file
const EMPTY = "empty captions";
const BROKEN = "rows that cannot be read";

/**
 * The rows of a CSV or TSV file with a header. The delimiter is the one that makes a header with both columns, whatever
 * the file is called. Rows that are broken or of another length than the header are reported.
 */
export async function* tableRows(file: string, report: SkipReport): AsyncGenerator<PairRow> {
  const { createReadStream } = await import("node:fs");
  const { pipeline } = await import("node:stream");
  const { parse } = await import("csv-parse");
  const { delimiter, image, caption } = await readHeader(file);
  let swallowed: number | undefined;
  const parser = parse({
    delimiter,
    bom: true,
    info: true,
    relax_quotes: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    max_record_size: MAX_RECORD,
    on_skip(error) {
      if (error?.code === "CSV_QUOTE_NOT_CLOSED" || error?.code === "CSV_MAX_RECORD_SIZE")
        swallowed ??= Number(error.lines);
      else report.add(BROKEN, `line ${error?.lines ?? "?"}`);
      return undefined;
    },
  });
  pipeline(createReadStream(file), parser, () => {}); // an error destroys the parser, and so ends the loop
  let header = true;
  for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: { lines: number } }>) {
    if (!header) yield* checked(record[image], [record[caption]], `line ${info.lines}`, report);
    header = false;
  }
  if (swallowed !== undefined)
    throw new InputError(
      `${oneLine(file)}: a quote before line ${swallowed} is never closed, and all behind it would be one caption. Close it, or double quotes within quotes.`,
    );
}

async function readHeader(file: string): Promise<{ delimiter: string; image: number; caption: number }> {
  const { open } = await import("node:fs/promises");
  const { parse } = await import("csv-parse/sync");
  const handle = await open(file, "r").catch((error: Error) => {
    throw new InputError(`${oneLine(file)}: ${error.message}`);
  });
  const { buffer, bytesRead } = await handle.read(new Uint8Array(2 ** 16), 0, 2 ** 16, 0).finally(() => handle.close());
  const [line = ""] = new TextDecoder().decode(buffer.subarray(0, bytesRead)).split(/\r?\n/);
  for (const delimiter of DELIMITERS) {
    let names: string[];
    try {
      names = parse(line, { delimiter, bom: true, relax_quotes: true }).flat().map(columnName);
    } catch {
      continue;
    }
    const find = (known: readonly string[]) => names.indexOf(known.find((name) => names.includes(name)) ?? "");
    const [image, caption] = [find(IMAGE), find(CAPTION)];
    if (image >= 0 && caption >= 0) return { delimiter, image, caption };
  }
  throw new InputError(
    `${oneLine(file)}: its first line is ${JSON.stringify(oneLine(line.slice(0, 80)))}. It must name the columns, one of ${IMAGE.join(", ")} and one of ${CAPTION.join(", ")}.`,
  );
}

const columnName = (name: unknown): string => String(name).trim().toLowerCase();

/** The rows of a file with a JSON object in each line. A list of captions makes a row of each. */
export async function* jsonLines(file: string, report: SkipReport): AsyncGenerator<PairRow> {
  const { createReadStream } = await import("node:fs");
  const { createInterface } = await import("node:readline");
  const lines = createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY });
  let number = 0;
  for await (const line of lines) {
    number++;
    const text = line.replace(/^\ufeff/, "").trim();
    if (text === "") continue;
    const fields = fieldsOf(text);
    if (fields) yield* checked(firstOf(fields, IMAGE), captionsOf(fields), `line ${number}`, report);
    else report.add(BROKEN, `line ${number}`);
  }
}

/** The captions in an object of JSON, as a list's line or a member of a webdataset holds them. */
export function captionsOf(fields: Readonly<Record<string, unknown>>): readonly unknown[] {
  const found = firstOf(fields, CAPTION);
  return Array.isArray(found) ? found : [found];
}

/** An object of JSON, or undefined where the text is anything else. */
export function fieldsOf(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

const firstOf = (fields: Readonly<Record<string, unknown>>, names: readonly string[]): unknown =>
  names.map((name) => (Object.hasOwn(fields, name) ? fields[name] : undefined)).find((value) => value !== undefined);

/** A caption in one line, or undefined where there is none. */
export const captionText = (value: unknown): string | undefined =>
  (typeof value === "string" && value.replace(/\s+/g, " ").trim()) || undefined;

function* checked(image: unknown, captions: readonly unknown[], where: string, report: SkipReport): Generator<PairRow> {
  if (typeof image !== "string" || image.trim() === "") return report.add("rows without a picture", where);
  const texts = captions.map(captionText).filter((text) => text !== undefined);
  if (texts.length === 0) report.add(EMPTY, where);
  for (const caption of texts) yield { image: image.trim(), caption, where };
}
