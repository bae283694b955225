import fc from "fast-check";
import { writeSafetensors } from "../../src/clip/safetensors.ts";
import * as torch from "../../test/torch-writer.ts";
import type { Random } from "./random.ts";

const WIDTHS = { BOOL: 1, U8: 1, F16: 2, BF16: 2, I32: 4, F32: 4, I64: 8, F64: 8 };

const storedTensor = fc
  .tuple(fc.constantFrom(...(Object.keys(WIDTHS) as (keyof typeof WIDTHS)[])), fc.array(fc.nat(4), { maxLength: 4 }))
  .chain(([dtype, shape]) => {
    const bytes = shape.reduce((a, b) => a * b, WIDTHS[dtype]);
    return fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((data) => ({ dtype, shape, data }));
  });
const name = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 12 }).filter((text) => text !== "__metadata__"),
  fc.constantFrom("__proto__", "constructor", "prompt_embeddings", "visual.proj"),
);
const file = fc
  .tuple(
    fc.uniqueArray(fc.tuple(name, storedTensor), { selector: ([name]) => name, maxLength: 6 }),
    fc.dictionary(fc.string({ unit: "grapheme", maxLength: 8 }), fc.string({ maxLength: 8 }), { maxKeys: 3 }),
  )
  .map(([tensors, metadata]) => writeSafetensors(tensors, metadata));

/** Whole safetensors files. */
export const safetensorsSeeds = (random: Random): Uint8Array[] =>
  fc.sample(file, { numRuns: 40, seed: random.below(2 ** 31) });

const f32 = (count: number): Uint8Array => new Uint8Array(Float32Array.from({ length: count }, (_, i) => i).buffer);
const floats = torch.storage("FloatStorage", "0", 6);
const matrix = torch.tensor(floats, [2, 3], [3, 1]);
const turned = torch.tensor(floats, [3, 2], [1, 3]);
const half = torch.tensor(torch.storage("HalfStorage", "1", 2), [2], [1]);
const parameter = torch.call(
  torch.global("torch._utils", "_rebuild_parameter"),
  matrix,
  torch.TRUE,
  torch.orderedDict({}),
);
const optimizer = torch.call(torch.global("torch.optim", "SGD"), torch.list(matrix), torch.NONE); // biome-ignore format: one row

/** What a checkpoint may hold: state dicts, wrapped ones, modules, what stands beside them; and how many storages it has. */
const ROOTS: readonly (readonly [root: torch.Code, storages: number])[] = [
  [torch.orderedDict({ "visual.proj": matrix, "visual.conv1.weight": turned, h: half }), 2],
  [
    torch.dict({
      state_dict: torch.orderedDict({ "module.a": matrix, "module.b": half }),
      epoch: torch.int(50),
      best: torch.NONE,
    }),
    2,
  ],
  [torch.dict({ model: torch.dict({ p: parameter }), note: torch.text("é") }), 1],
  [torch.module("clip.CLIP", { visual: torch.module("clip.V", { proj: matrix }), training: torch.FALSE }), 1],
  [torch.dict({ state_dict: torch.dict({ ctx: matrix, token_prefix: half }), optimizer, epoch: torch.int(7) }), 2],
  [torch.dict({ ctx: turned }), 1],
  [torch.dict({ big: torch.int(2 ** 40), list: torch.list(torch.tuple(torch.int(1), torch.text("x"))), w: matrix }), 1],
];

/** Whole PyTorch files, in ZIP archives and in the form before. */
export const torchSeeds = (): Uint8Array[] =>
  ROOTS.flatMap(([root, storages]) => {
    const data = { "0": f32(6), ...(storages > 1 ? { "1": new Uint8Array(4) } : {}) };
    const counted = Object.fromEntries(
      Object.entries(data).map(([key, bytes]) => [key, [key === "0" ? 6 : 2, bytes] as [number, Uint8Array]]),
    );
    return [
      torch.torchZip(root, data),
      torch.torchZip(root, data, { zip64: true, comment: "made to be read" }),
      torch.torchLegacy(root, counted),
    ];
  });

/** Whole pickles. */
export const pickleSeeds = (): Uint8Array[] => [
  ...ROOTS.map(([root]) => torch.pickle(root)),
  torch.pickle(
    torch.bytesOf(torch.list(torch.int(1)), "q\x00", "0", "h\x00", [0x94], torch.stackGlobal("torch", "Size")),
    4,
  ),
  torch.pickle(torch.bytesOf([0x95], torch.u64(4), [0x8c, 1], "a", [0x8e], torch.u64(1), "b", [0x86]), 4),
  torch.pickle(
    torch.bytesOf("(", "K\x01", "M\x00\x01", "G", new Uint8Array(8), "U\x01a", "C\x01b", "t(1(", "d", "2", [0x87]),
  ),
];
