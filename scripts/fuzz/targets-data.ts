import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readList } from "../../src/coop/datasets/list.ts";
import { AIRCRAFT, PETS, SUN, UCF } from "../../src/coop/datasets/official-lists.ts";
import { classNamesOf, parseSplitFile } from "../../src/coop/datasets/split-file.ts";
import { openPairs } from "../../src/coop/pairs.ts";
import { tarMembers } from "../../src/coop/tar.ts";
import type { Walk } from "../../src/coop/walk.ts";
import { archive, member, pax } from "../../test/tar-writer.ts";
import { BYTE_MUTATIONS, TEXT_MUTATIONS } from "./mutate-bytes.ts";
import { editTarHeader } from "./mutate-formats.ts";
import { editJson, editJsonLine } from "./mutate-json.ts";
import { type Target, textOf, utf8, watched } from "./target.ts";

let folder: string | undefined;

/** The input as a file beside a few pictures, in a folder that goes with the process. */
function placed(bytes: Uint8Array, name: string): string {
  if (folder === undefined) {
    folder = mkdtempSync(join(tmpdir(), "coop-fuzz-"));
    mkdirSync(join(folder, "sub"));
    for (const picture of ["a.jpg", "b c.png", "sub/d.jpg", "e.jpg"]) writeFileSync(join(folder, picture), picture);
    process.on("exit", () => rmSync(folder!, { recursive: true, force: true }));
  }
  writeFileSync(join(folder, name), bytes);
  return join(folder, name);
}

const LINES = [
  { image: "a.jpg", caption: "a cat", label: "cat", split: "train" },
  { image: "b c.png", captions: ["a dog", "zwei Hunde"], label: "dog", split: "test" },
  { file_name: "sub/d.jpg", text: "x", class: "dog", split: "train" },
  { image: "e.jpg", title: "y", label: "cat", split: "test" },
]
  .map((line) => JSON.stringify(line))
  .join("\n");
const TABLE =
  'image,caption,label,split\na.jpg,"a ""big"" cat",cat,train\nb c.png,"a\ndog",dog,train\nsub/d.jpg,x,dog,test\ne.jpg,y,cat,test\n';
const SPLIT = { train: [["a.jpg", 0, "cat"], ["b.jpg", 1, "sea_lion"]], val: [], test: [["c.jpg", 1, "sea lion"]] }; // biome-ignore format: one row
const TAR = archive(
  member("000.jpg", "picture"),
  member("000.txt", "a caption"),
  member("sub/001.png", "p"),
  member("sub/001.json", '{"caption": ["one", "two"]}'),
  pax("path", `${"long/".repeat(30)}002.jpg`),
  member("short", "x"),
  member("././@LongLink", `${"l".repeat(120)}.jpg\0`, "L"),
  member("cut", "y", "0"),
  member("link", "", "2"),
);
/** Official lists with all their files in one text, one after another under their names. */
const OFFICIAL = [
  [
    "pets",
    PETS,
    "# annotations/trainval.txt\nAbyssinian_100 1 1 1\nboxer_7 2 2 1\n# annotations/test.txt\nboxer_8 2 2 1\n",
  ],
  [
    "sun",
    SUN,
    "# ClassName.txt\n/a/airplane_cabin\n# Training_01.txt\n/a/airplane_cabin/sun_1.jpg\n# Testing_01.txt\n/a/airplane_cabin/sun_2.jpg\n",
  ],
  [
    "ucf",
    UCF,
    "# ucfTrainTestlist/classInd.txt\n1 ApplyEyeMakeup\n# ucfTrainTestlist/trainlist01.txt\nApplyEyeMakeup/v_g08_c01.avi 1\n# ucfTrainTestlist/testlist01.txt\nApplyEyeMakeup/v_g01_c01.avi\n",
  ],
  [
    "aircraft",
    AIRCRAFT,
    "# variants.txt\n707-320\n# images_variant_train.txt\n1025794 707-320\n# images_variant_val.txt\n2 707-320\n# images_variant_test.txt\n3 707-320\n",
  ],
] as const;
const noWalk: Walk = { root: "/", skipped: { hidden: 0, others: 0, links: 0 }, list: async () => ({ folders: [], pictures: [] }), pictures: async () => [] }; // biome-ignore format: one row

/** Lists of pictures. */
export const DATA: readonly Target[] = [
  {
    name: "split-file",
    files: ["/datasets/split-file.ts", "/coop/json-fields.ts"],
    seeds: () => [utf8(JSON.stringify(SPLIT))],
    mutations: [editJson, editJson, editJson, ...TEXT_MUTATIONS],
    async parse(bytes) {
      const splits = parseSplitFile(textOf(bytes), "split.json");
      for (const { path } of [...splits.train, ...splits.val, ...splits.test]) refuseOutside(path);
      classNamesOf(splits, "split.json");
    },
  },
  {
    name: "official-lists",
    files: ["/datasets/official-lists.ts", "/datasets/by-rule.ts", "/datasets/split-file.ts"],
    seeds: () => OFFICIAL.map(([name, , text]) => utf8(`${name}\n${text}`)),
    mutations: [...BYTE_MUTATIONS, ...TEXT_MUTATIONS],
    async parse(bytes) {
      const [name, ...lines] = textOf(bytes).split("\n");
      const parts = new Map(
        lines
          .join("\n")
          .split(/^# /m)
          .map((part) => [part.split("\n")[0], part.slice(part.indexOf("\n") + 1)] as const),
      );
      const [, lists] = OFFICIAL.find(([known]) => known === name) ?? OFFICIAL[0];
      const found = await lists.read({ walk: noWalk, text: async (file) => parts.get(file) ?? "" });
      for (const { path } of [...found.train, ...found.val, ...found.test]) refuseOutside(path);
    },
  },
  {
    name: "list-csv",
    files: ["/datasets/list.ts", "/coop/table-rows.ts", "/coop/folder.ts", "/datasets/present.ts"],
    seeds: () => [utf8(TABLE), utf8(TABLE.replaceAll(",", "\t").replace(/\tsplit|\t(train|test)$/gm, ""))],
    mutations: [...BYTE_MUTATIONS, ...TEXT_MUTATIONS],
    parse: async (bytes) => readList(placed(bytes, "list.csv")),
  },
  {
    name: "list-jsonl",
    files: ["/datasets/list.ts", "/coop/table-rows.ts", "/coop/folder.ts"],
    seeds: () => [utf8(LINES)],
    mutations: [editJsonLine, editJsonLine, ...TEXT_MUTATIONS],
    parse: async (bytes) => readList(placed(bytes, "list.jsonl")),
  },
  {
    name: "pairs-csv",
    files: ["/coop/pairs.ts", "/coop/pairs-table.ts", "/coop/table-rows.ts"],
    seeds: () => [utf8(TABLE), utf8(TABLE.replaceAll(",", ";"))],
    mutations: [...BYTE_MUTATIONS, ...TEXT_MUTATIONS],
    parse: async (bytes) => (await openPairs(placed(bytes, "pairs.csv"))).at(0),
  },
  {
    name: "pairs-jsonl",
    files: ["/coop/pairs.ts", "/coop/pairs-table.ts", "/coop/table-rows.ts"],
    seeds: () => [utf8(LINES)],
    mutations: [editJsonLine, editJsonLine, ...TEXT_MUTATIONS],
    parse: async (bytes) => (await openPairs(placed(bytes, "pairs.jsonl"))).at(0),
  },
  {
    name: "pairs-tar",
    files: ["/coop/pairs-tar.ts", "/coop/tar.ts"],
    seeds: () => [TAR],
    mutations: [editTarHeader],
    parse: async (bytes) => (await openPairs(placed(bytes, "pairs.tar"))).at(0),
  },
  {
    name: "tar",
    files: ["/coop/tar.ts"],
    seeds: () => [TAR],
    mutations: [editTarHeader],
    async parse(bytes) {
      for await (const { offset, size } of tarMembers(watched(bytes)))
        if (offset + size > bytes.length) throw new Error(`a member of ${size} bytes at ${offset}`);
    },
  },
];

function refuseOutside(path: string): void {
  if (path.startsWith("/") || path.split(/[/\\]/).includes(".."))
    throw new Error(`${JSON.stringify(path)} leads outside`);
}
