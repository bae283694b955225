/** A tensor in a checkpoint: row-major, little-endian. */
export interface StoredArray {
  /** As safetensors calls it: F32, F16, BF16, F64, I64 … */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly byteLength: number;
}

/** An opened file (or several) of named tensors: what there is is known and checked, the numbers are not read yet. */
export interface Checkpoint {
  readonly name: string;
  readonly tensors: ReadonlyMap<string, StoredArray>;
  /** The bytes of one tensor, aligned for any typed array. FormatError if there is none of that name. */
  read(name: string): Promise<Uint8Array>;
  /** The same in pieces of `chunkBytes` (the last may be shorter). */
  stream(name: string, chunkBytes?: number): AsyncGenerator<Uint8Array>;
}
