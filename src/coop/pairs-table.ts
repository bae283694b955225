import type { SkipReport } from "./pairs-skipped.ts";
import { firstOf, IMAGE_COLUMNS, jsonRecords, tableRecords } from "./table-rows.ts";

/** A picture's name and a caption out of a list. */
export interface PairRow {
  readonly image: string;
  readonly caption: string;
  /** Where it stands: "line 7". */
  readonly where: string;
}

const CAPTION = ["caption", "captions", "text", "title"];
const EMPTY = "empty captions";

/** The rows of a CSV or TSV file with a header, as `tableRecords` reads them. */
export async function* tableRows(file: string, report: SkipReport): AsyncGenerator<PairRow> {
  const columns = { image: IMAGE_COLUMNS, caption: CAPTION };
  for await (const { cells, where } of tableRecords(file, columns, {}, report))
    yield* checked(cells.image, [cells.caption], where, report);
}

/** The rows of a file with a JSON object in each line. A list of captions makes a row of each. */
export async function* jsonLines(file: string, report: SkipReport): AsyncGenerator<PairRow> {
  for await (const { fields, where } of jsonRecords(file, report))
    yield* checked(firstOf(fields, IMAGE_COLUMNS), captionsOf(fields), where, report);
}

/** The captions in an object of JSON, as a list's line or a member of a webdataset holds them. */
export function captionsOf(fields: Readonly<Record<string, unknown>>): readonly unknown[] {
  const found = firstOf(fields, CAPTION);
  return Array.isArray(found) ? found : [found];
}

/** A caption in one line, or undefined where there is none. */
export const captionText = (value: unknown): string | undefined =>
  (typeof value === "string" && value.replace(/\s+/g, " ").trim()) || undefined;

function* checked(image: unknown, captions: readonly unknown[], where: string, report: SkipReport): Generator<PairRow> {
  if (typeof image !== "string" || image.trim() === "") return report.add("rows without a picture", where);
  const texts = captions.map(captionText).filter((text) => text !== undefined);
  if (texts.length === 0) report.add(EMPTY, where);
  for (const caption of texts) yield { image: image.trim(), caption, where };
}
