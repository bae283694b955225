// C[b, m, n] = sum over k of A[b, m, k] B[b, k, n]; A and B are any strided views, C is contiguous.
// For GPUs. A workgroup of 16 × 16 invocations computes a tile of 64 BLOCKS rows and columns; each invocation has 4 rows
// and 4 columns in every block of 64 by 64. Slices of A and B, DEPTH long in k, pass through workgroup memory while the
// next ones are on their way from the buffers.
//
// Before this text stands const BLOCKS = 1 or 2.
struct Params {
  M: u32,
  N: u32,
  K: u32,
  BATCH1: u32,
  BATCH2: u32,
  A_OFFSET: u32,
  A_BATCH0: u32,
  A_BATCH1: u32,
  A_BATCH2: u32,
  A_ROW: u32,
  A_COLUMN: u32,
  B_OFFSET: u32,
  B_BATCH0: u32,
  B_BATCH1: u32,
  B_BATCH2: u32,
  B_ROW: u32,
  B_COLUMN: u32,
}

const TILE = 64u * BLOCKS;
const QUADS = TILE / 4; // groups of four rows or columns in a tile
const DEPTH = 256 / QUADS; // so that each invocation loads one quad of A and one of B
const FOUR = vec4u(0, 1, 2, 3);

@group(0) @binding(0) var<storage, read> a: array<In0>;
@group(0) @binding(1) var<storage, read> b: array<In1>;
@group(0) @binding(2) var<storage, read_write> c: array<Out>;
@group(0) @binding(3) var<uniform> P: Params;

var<workgroup> rows: array<vec4f, DEPTH * QUADS>; // [k, quad]
var<workgroup> columns: array<vec4f, DEPTH * QUADS>;

// The (k, quad) that an invocation loads: neighbours load neighbouring addresses.
fn place(index: u32, alongK: bool) -> vec2u {
  return select(vec2u(index / QUADS, index % QUADS), vec2u(index % DEPTH, index / DEPTH), alongK);
}

fn loadA(at: vec4u, k: u32) -> vec4f {
  if (k >= P.K) { return vec4f(); }
  let i = at + k * P.A_COLUMN;
  return vec4f(f32(a[i.x]), f32(a[i.y]), f32(a[i.z]), f32(a[i.w]));
}

fn loadB(at: vec4u, k: u32) -> vec4f {
  if (k >= P.K) { return vec4f(); }
  let i = at + k * P.B_ROW;
  return vec4f(f32(b[i.x]), f32(b[i.y]), f32(b[i.z]), f32(b[i.w]));
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) index: u32) {
  let b0 = tile.z / (P.BATCH1 * P.BATCH2);
  let b1 = (tile.z / P.BATCH2) % P.BATCH1;
  let b2 = tile.z % P.BATCH2;
  let startA = P.A_OFFSET + b0 * P.A_BATCH0 + b1 * P.A_BATCH1 + b2 * P.A_BATCH2;
  let startB = P.B_OFFSET + b0 * P.B_BATCH0 + b1 * P.B_BATCH1 + b2 * P.B_BATCH2;
  let mine = place(index, P.A_COLUMN == 1);
  let yours = place(index, P.B_ROW == 1);
  let aAt = startA + min(tile.y * TILE + 4 * mine.y + FOUR, vec4u(P.M - 1)) * P.A_ROW;
  let bAt = startB + min(tile.x * TILE + 4 * yours.y + FOUR, vec4u(P.N - 1)) * P.B_COLUMN;
  let across = index % 16;
  let down = index / 16;
  var sums: array<array<array<vec4f, 4>, BLOCKS>, BLOCKS>;
  var nextA = loadA(aAt, mine.x);
  var nextB = loadB(bAt, yours.x);
  for (var start = 0u; start < P.K; start += DEPTH) {
    rows[mine.x * QUADS + mine.y] = nextA;
    columns[yours.x * QUADS + yours.y] = nextB;
    workgroupBarrier();
    nextA = loadA(aAt, start + DEPTH + mine.x);
    nextB = loadB(bAt, start + DEPTH + yours.x);
    for (var k = 0u; k < DEPTH; k++) {
      for (var i = 0u; i < BLOCKS; i++) {
        let x = rows[k * QUADS + 16 * i + down];
        for (var j = 0u; j < BLOCKS; j++) {
          let y = columns[k * QUADS + 16 * j + across];
          for (var r = 0u; r < 4; r++) { sums[i][j][r] = fma(vec4f(x[r]), y, sums[i][j][r]); }
        }
      }
    }
    workgroupBarrier();
  }
  for (var i = 0u; i < BLOCKS; i++) {
    for (var r = 0u; r < 4; r++) {
      let row = tile.y * TILE + 64 * i + 4 * down + r;
      if (row >= P.M) { continue; }
      for (var j = 0u; j < BLOCKS; j++) {
        let column = tile.x * TILE + 64 * j + 4 * across;
        let at = (tile.z * P.M + row) * P.N + column;
        for (var s = 0u; s < 4; s++) {
          if (column + s < P.N) { c[at + s] = finish(sums[i][j][r][s], at + s, column + s); }
        }
      }
    }
  }
}
