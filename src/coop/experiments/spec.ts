import { DEFAULT_TEMPLATE } from "../../clip/index.ts";
import { shownJson } from "../../clip/shown-json.ts";
import { JsonFields } from "../json-fields.ts";
import { nearest } from "../near.ts";
import type { ConfiguredMethod, Method } from "./method.ts";
import { METHODS } from "./methods.ts";
import { template } from "./template-field.ts";

/** What an experiment file says, defaults filled in. */
export interface ExperimentSpec {
  readonly name: string;
  readonly models: readonly string[];
  readonly datasets: readonly DatasetSpec[];
  readonly shots: readonly number[];
  readonly seeds: readonly number[];
  readonly methods: readonly MethodSpec[];
  readonly baseToNew: Selection | null;
  readonly labelNoise: (Selection & { readonly fractions: readonly number[] }) | null;
}

/** A dataset in an experiment file. */
export interface DatasetSpec {
  readonly name: string;
  /** A folder, or whatever the one who opens datasets understands. */
  readonly source: string;
  /** The hand-written prompt that suits it. */
  readonly template: string;
  /** Other pictures of the same classes, to test on only. */
  readonly shifts: readonly { readonly name: string; readonly source: string }[];
}

/** A method in an experiment file, with its options. */
export interface MethodSpec extends ConfiguredMethod {
  readonly name: string;
  readonly kind: string;
  /** Restrictions; null for none. */
  readonly shots: readonly number[] | null;
  readonly datasets: readonly string[] | null;
}

/** Which of the runs are done in another way too. */
export interface Selection {
  readonly shots: readonly number[];
  /** Names of methods. */
  readonly methods: readonly string[];
}

export const PUBLISHED_SHOTS: readonly number[] = [1, 2, 4, 8, 16];
const SEEDS: readonly number[] = [1, 2, 3];

/**
 * Reads an experiment file (see docs/experiments.md).
 *
 * It may name the kinds of methods in `methods`; `templateOf` gives the hand-written prompt of a dataset for which the
 * file has none, by its source.
 *
 * @param file its name in messages
 * @throws FormatError that names the field, where one is missing, unknown or senseless
 * @example const spec = parseSpec(await readFile("shots.json", "utf8"), "shots.json");
 */
export function parseSpec(
  text: string,
  file = "the experiment file",
  {
    methods = METHODS,
    templateOf = () => DEFAULT_TEMPLATE,
  }: { readonly methods?: readonly Method[]; readonly templateOf?: (source: string) => string } = {},
): ExperimentSpec {
  const top = JsonFields.parse(file, text).only([
    "name",
    "models",
    "datasets",
    "shots",
    "seeds",
    "methods",
    "baseToNew",
    "labelNoise",
  ]);
  const shots = top.has("shots") ? wholes(top, "shots", 1) : PUBLISHED_SHOTS;
  const seeds = top.has("seeds") ? wholes(top, "seeds", 0) : SEEDS;
  const datasets = readDatasets(top, templateOf);
  const names = datasets.map(({ name }) => name);
  const specs = filled(top, "methods", top.objects("methods")).map((fields) =>
    readMethod(fields, methods, shots, names),
  );
  distinct(
    top,
    "methods",
    specs.map(({ name }) => name),
  );
  refuseTwins(top, specs, shots);
  const select = (fields: JsonFields): Selection => ({
    shots: fields.has("shots") ? among(fields, "shots", shots) : [Math.max(...shots)],
    methods: fields.has("methods") ? named(fields, "methods", specs) : specs.map(({ name }) => name),
  });
  return {
    name: top.has("name") ? top.string("name") : "experiment",
    models: top.has("models") ? distinct(top, "models", filled(top, "models", top.strings("models"))) : ["tiny-clip"],
    datasets,
    shots,
    seeds,
    methods: specs,
    baseToNew: top.has("baseToNew") ? select(top.object("baseToNew").only(["shots", "methods"])) : null,
    labelNoise: top.has("labelNoise") ? readNoise(top.object("labelNoise"), select) : null,
  };
}

function readDatasets(top: JsonFields, templateOf: (source: string) => string): DatasetSpec[] {
  const datasets = filled(top, "datasets", top.objects("datasets")).map((fields): DatasetSpec => {
    fields.only(["name", "source", "template", "shifts"]);
    const name = fields.string("name");
    const source = fields.has("source") ? fields.string("source") : name;
    const shifts = fields.has("shifts") ? fields.object("shifts").texts() : {};
    return {
      name,
      source,
      template: fields.has("template") ? template(fields, "template") : templateOf(source),
      shifts: Object.entries(shifts).map(([shift, source]) => ({ name: shift, source })),
    };
  });
  distinct(
    top,
    "datasets",
    datasets.map(({ name }) => name),
  );
  return datasets;
}

function readMethod(
  fields: JsonFields,
  methods: readonly Method[],
  shots: readonly number[],
  datasets: readonly string[],
): MethodSpec {
  const kind = fields.choice(
    "kind",
    methods.map((method) => method.kind),
  );
  const method = methods.find((one) => one.kind === kind)!;
  fields.only(["name", "kind", "shots", "datasets", ...method.keys]);
  const configured = method.read(fields);
  if (!configured.learns && fields.has("shots")) throw fields.wrong("shots", `means nothing for ${kind}`);
  return {
    ...configured,
    name: fields.has("name") ? fields.string("name") : kind,
    kind,
    shots: fields.has("shots") ? among(fields, "shots", shots) : null,
    datasets: fields.has("datasets")
      ? named(
          fields,
          "datasets",
          datasets.map((name) => ({ name })),
        )
      : null,
  };
}

function readNoise(fields: JsonFields, select: (fields: JsonFields) => Selection) {
  fields.only(["fractions", "shots", "methods"]);
  const fractions = filled(fields, "fractions", fields.list("fractions")).map((value) => {
    if (typeof value !== "number" || !(value > 0 && value <= 1))
      throw fields.wrong("fractions", `must be numbers above 0 up to 1, not ${shownJson(value)}`);
    return value;
  });
  return { ...select(fields), fractions: distinct(fields, "fractions", fractions) };
}

/** Two methods that would give the same results under two names. */
function refuseTwins(top: JsonFields, methods: readonly MethodSpec[], shots: readonly number[]): void {
  const seen = new Map<string, string>();
  for (const { name, kind, resolve } of methods) {
    const all = shots.map((n) => resolve({ template: "{}", shots: n }));
    const key = JSON.stringify([kind, all]);
    const twin = seen.get(key);
    if (twin !== undefined)
      throw top.wrong("methods", `says the same twice: "${twin}" and "${name}" have equal options`);
    seen.set(key, name);
  }
}

function wholes(fields: JsonFields, key: string, least: number): number[] {
  const values = filled(fields, key, fields.list(key)).map((value) => {
    if (!Number.isSafeInteger(value) || (value as number) < least)
      throw fields.wrong(key, `must be whole numbers from ${least}, not ${shownJson(value)}`);
    return value as number;
  });
  return distinct(fields, key, values);
}

function among(fields: JsonFields, key: string, known: readonly number[]): number[] {
  const values = wholes(fields, key, 1);
  const other = values.find((value) => !known.includes(value));
  if (other !== undefined)
    throw fields.wrong(key, `holds ${other}, which is not one of the file's ${known.join(", ")}`);
  return values;
}

function named(fields: JsonFields, key: string, known: readonly { readonly name: string }[]): string[] {
  const names = known.map(({ name }) => name);
  const values = distinct(fields, key, filled(fields, key, fields.strings(key)));
  const other = values.find((value) => !names.includes(value));
  if (other === undefined) return values;
  const meant = nearest(other, names);
  throw fields.wrong(key, `holds "${other}"; ${meant ? `did you mean "${meant}"?` : `there are ${names.join(", ")}`}`);
}

function filled<T>(fields: JsonFields, key: string, items: readonly T[]): readonly T[] {
  if (items.length === 0) throw fields.wrong(key, "is empty");
  return items;
}

function distinct<T>(fields: JsonFields, key: string, items: readonly T[]): T[] {
  const twice = items.find((item, i) => items.indexOf(item) !== i);
  if (twice !== undefined) throw fields.wrong(key, `names ${JSON.stringify(twice)} twice`);
  return [...items];
}
