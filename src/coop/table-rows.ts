import { oneLine, textDecoder } from "../clip/bytes.ts";
import { InputError } from "../tensor/errors.ts";
import type { SkipReport } from "./pairs-skipped.ts";

/** What a column or key is for, and the names that it may have, the best first. */
export type Columns = Readonly<Record<string, readonly string[]>>;

/** The columns that pictures are named in. */
export const IMAGE_COLUMNS = ["image", "filepath", "file_name", "filename", "file", "image_path", "path", "url"];

export const isTable = (file: string): boolean => /\.(csv|tsv)$/i.test(file);
export const isJsonLines = (file: string): boolean => /\.(jsonl|ndjson)$/i.test(file);

const DELIMITERS = [",", "\t", ";"];
const MAX_RECORD = 2 ** 20; // characters: a quote that is never closed must not swallow the file
const BROKEN = "rows that cannot be read";
const GARBLED = "rows that are not UTF-8";

/**
 * The rows of a CSV or TSV file with a header, as the texts of `needed` and of those of `more` that there are. The
 * delimiter is the one that makes a header with all needed columns, whatever the file is called. Rows that are broken or
 * of another length than the header are reported.
 */
export async function* tableRecords(
  file: string,
  needed: Columns,
  more: Columns,
  report: SkipReport,
): AsyncGenerator<{ readonly cells: Readonly<Record<string, string | undefined>>; readonly where: string }> {
  const { pipeline, Readable } = await import("node:stream");
  const { parse } = await import("csv-parse");
  const { delimiter, places } = await readHeader(file, needed, more);
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
  pipeline(Readable.from(textIn(file)), parser, () => {}); // an error destroys the parser, and so ends the loop
  let header = true;
  for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: { lines: number } }>) {
    const cells = Object.fromEntries([...places].map(([name, column]) => [name, record[column]]));
    const where = `line ${info.lines}`;
    if (Object.values(cells).some(isGarbled)) report.add(GARBLED, where);
    else if (!header) yield { cells, where };
    header = false;
  }
  if (swallowed !== undefined)
    throw new InputError(
      `${oneLine(file)}: a quote before line ${swallowed} is never closed, and all behind it would be one text. Close it, or double quotes within quotes.`,
    );
}

async function readHeader(file: string, needed: Columns, more: Columns) {
  const { open } = await import("node:fs/promises");
  const { parse } = await import("csv-parse/sync");
  const handle = await open(file, "r").catch((error: Error) => {
    throw new InputError(`${oneLine(file)}: ${error.message}`);
  });
  const { buffer, bytesRead } = await handle.read(new Uint8Array(2 ** 16), 0, 2 ** 16, 0).finally(() => handle.close());
  const start = buffer.subarray(0, bytesRead);
  const [line = ""] = textDecoder(start, false).decode(start).split(/\r?\n/);
  for (const delimiter of DELIMITERS) {
    let names: string[];
    try {
      names = parse(line, { delimiter, bom: true, relax_quotes: true }).flat().map(columnName);
    } catch {
      continue;
    }
    const find = (known: readonly string[]) => names.indexOf(known.find((name) => names.includes(name)) ?? "");
    const places = new Map(Object.entries({ ...more, ...needed }).map(([what, known]) => [what, find(known)]));
    if (Object.keys(needed).every((what) => places.get(what)! >= 0))
      return { delimiter, places: new Map([...places].filter(([, column]) => column >= 0)) };
  }
  const wanted = Object.values(needed).map((known) => `one of ${known.join(", ")}`);
  throw new InputError(
    `${oneLine(file)}: its first line is ${JSON.stringify(oneLine(line.slice(0, 80)))}. It must name the columns, ${wanted.join(" and ")}.`,
  );
}

const columnName = (name: unknown): string => String(name).trim().toLowerCase();

/** The objects of a file with a JSON object in each line. Lines that hold anything else are reported. */
export async function* jsonRecords(
  file: string,
  report: SkipReport,
): AsyncGenerator<{ readonly fields: Readonly<Record<string, unknown>>; readonly where: string }> {
  let number = 0;
  for await (const line of linesOf(file)) {
    number++;
    const text = line?.replace(/^\ufeff/, "").trim();
    if (text === "") continue;
    const fields = text === undefined ? undefined : fieldsOf(text);
    if (isGarbled(text)) report.add(GARBLED, `line ${number}`);
    else if (fields) yield { fields, where: `line ${number}` };
    else report.add(BROKEN, `line ${number}`);
  }
}

/** The lines of a file, undefined for each that is too long to be one. */
async function* linesOf(file: string): AsyncGenerator<string | undefined> {
  let [open, tooLong] = ["", false];
  for await (const piece of textIn(file)) {
    const parts = piece.split("\n");
    for (const part of parts.slice(0, -1)) {
      yield tooLong ? undefined : open + part;
      [open, tooLong] = ["", false];
    }
    if (!tooLong) open += parts.at(-1);
    if (open.length > MAX_RECORD) [open, tooLong] = ["", true];
  }
  if (tooLong || open !== "") yield tooLong ? undefined : open;
}

/** A file's text, piece by piece. */
async function* textIn(file: string): AsyncGenerator<string> {
  const { createReadStream } = await import("node:fs");
  let decoder: TextDecoder | undefined;
  for await (const piece of createReadStream(file) as AsyncIterable<Uint8Array>) {
    decoder ??= textDecoder(piece, false);
    yield decoder.decode(piece, { stream: true });
  }
  yield decoder?.decode() ?? "";
}

/** Whether something stood in a text that its encoding does not know. */
export const isGarbled = (text: string | undefined): boolean => text?.includes("\ufffd") ?? false;

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

/** The value of the first of some keys that an object has. */
export const firstOf = (fields: Readonly<Record<string, unknown>>, names: readonly string[]): unknown =>
  names.map((name) => (Object.hasOwn(fields, name) ? fields[name] : undefined)).find((value) => value !== undefined);
