type Layout = "hf" | "openai";
type Entry = [name: string, dtype: string, shape: number[], data: () => Float32Array | BigInt64Array];
interface Preset {
  kind: "vit" | "rn";
  vocab: number;
  context: number;
  embed: number;
  res: number;
  patch?: number;
  vWidth: number;
  vLayers: number | number[];
  vHeads?: number;
  tWidth: number;
  tLayers: number;
  tHeads: number;
}

export const MERGES: string;
export const PRESETS: Record<string, Preset>;
export function values(name: string, count: number, std: number, mean?: number): Float32Array;
export function openaiParams(preset: Preset): Record<string, [shape: number[], std: number, mean: number]>;
export function entries(preset: Preset, layout: Layout): Generator<Entry>;
export function tokenizerFiles(mergesPath?: string): { vocab: Record<string, number>; merges: string[] };
export function tokenizerJson(files: { vocab: Record<string, number>; merges: string[] }): object;
export function makeModel(preset: string, out: string, layout?: Layout, mergesPath?: string): boolean;
