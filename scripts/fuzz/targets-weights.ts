import { parsePickle } from "../../src/clip/pickle.ts";
import { openSafetensors, writeSafetensors } from "../../src/clip/safetensors.ts";
import { openTorchFile } from "../../src/clip/torch.ts";
import { torchRules } from "../../src/clip/torch-values.ts";
import { readZip, zipDataOffset } from "../../src/clip/zip.ts";
import { readReferencePrompt } from "../../src/coop/reference-prompt.ts";
import { editSafetensorsHeader, editZipField } from "./mutate-formats.ts";
import { pickleSeeds, safetensorsSeeds, torchSeeds } from "./seeds-weights.ts";
import { type Target, watched } from "./target.ts";

const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** Files of weights. */
export const WEIGHTS: readonly Target[] = [
  {
    name: "safetensors",
    files: ["/clip/safetensors.ts", "/clip/safetensors-layout.ts", "/clip/strict-json.ts"],
    seeds: safetensorsSeeds,
    mutations: [editSafetensorsHeader],
    async parse(bytes) {
      const file = await openSafetensors(watched(bytes));
      const tensors = await Promise.all(
        [...file.tensors].map(
          async ([name, { dtype, shape }]) => [name, { dtype, shape, data: await file.read(name) }] as const,
        ),
      );
      // what was accepted is written and read again
      const again = await openSafetensors(watched(writeSafetensors(tensors, file.metadata)));
      for (const [name, { dtype, shape, data }] of tensors) {
        const found = again.tensors.get(name);
        if (found?.dtype !== dtype || found.shape.join() !== shape.join() || !equal(await again.read(name), data))
          throw new Error(`${JSON.stringify(name)} is another after it was written`);
      }
    },
  },
  {
    name: "torch",
    files: [
      "/clip/torch-file.ts",
      "/clip/torch-legacy.ts",
      "/clip/torch-names.ts",
      "/clip/torch-values.ts",
      "/clip/pickle.ts",
      "/clip/zip.ts",
      "/clip/strided.ts",
    ],
    seeds: torchSeeds,
    mutations: [editZipField],
    async parse(bytes) {
      const file = await openTorchFile(watched(bytes), { skipUnknown: bytes.length % 2 === 0 });
      for (const [name, { byteLength }] of [...file.tensors].slice(0, 8)) {
        if ((await file.read(name)).length !== byteLength) throw new Error(`${name} is not of ${byteLength} bytes`);
        let streamed = 0;
        for await (const piece of file.stream(name, 7)) streamed += piece.length;
        if (streamed !== byteLength) throw new Error(`${name} streams ${streamed} of ${byteLength} bytes`);
      }
    },
  },
  {
    name: "reference-prompt",
    files: ["/coop/reference-prompt.ts", "/clip/torch-names.ts", "/clip/torch-values.ts", "/clip/half.ts"],
    seeds: torchSeeds,
    mutations: [editZipField],
    parse: (bytes) => readReferencePrompt(watched(bytes)),
  },
  {
    name: "zip",
    files: ["/clip/zip.ts"],
    seeds: torchSeeds,
    mutations: [editZipField],
    async parse(bytes) {
      const source = watched(bytes);
      for (const entry of (await readZip(source)).values()) await zipDataOffset(source, entry);
    },
  },
  {
    name: "pickle",
    files: ["/clip/pickle.ts", "/clip/pickle-reader.ts", "/clip/torch-values.ts"],
    seeds: pickleSeeds,
    parse: async (bytes) =>
      parsePickle(bytes, "input", torchRules(bytes.length % 2 === 0 ? new Set() : undefined).rules),
  },
];
