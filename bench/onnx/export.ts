/** Writes the image tower of a model in a folder as ONNX: `tsx export.ts FOLDER BATCH FILE`. */
import { createWriteStream } from "node:fs";
import { rename } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { loadClip } from "../../src/clip/index.ts";
import type { ResNetParams, ViTParams } from "../../src/clip/params.ts";
import { Graph } from "./graph.ts";
import { resnet } from "./resnet.ts";
import { vit } from "./vit.ts";

const [folder, count, file] = process.argv.slice(2);
const batch = Number(count);
const { config, params } = await loadClip(folder);
const { vision, embedDim } = config;
const graph = new Graph();
const images = graph.input("images", [batch, 3, vision.imageSize, vision.imageSize]);
const features =
  vision.kind === "vit"
    ? vit(graph, params.vision as ViTParams, config, images, batch)
    : resnet(graph, params.vision as ResNetParams, vision, images, batch);
const { pieces } = await graph.model(features, [batch, embedDim]);
await pipeline(Readable.from(pieces), createWriteStream(`${file}.part`));
await rename(`${file}.part`, file);
process.exit(0);
