// C[b, m, n] = sum over k of A[b, m, k] B[b, k, n]; A and B are any strided views, C is contiguous.
// One invocation computes 16 rows by 4 columns. Each lane fetches one row's element of A and hands it to the others by
// shuffles, so that A costs one load per 8 rows; needs subgroups of at least 8 lanes. No barriers, no workgroup memory.
struct Params {
  M: i32,
  N: i32,
  K: i32,
  BATCH1: i32,
  BATCH2: i32,
  A_OFFSET: i32,
  A_BATCH0: i32,
  A_BATCH1: i32,
  A_BATCH2: i32,
  A_ROW: i32,
  A_COLUMN: i32,
  B_OFFSET: i32,
  B_BATCH0: i32,
  B_BATCH1: i32,
  B_BATCH2: i32,
  B_ROW: i32,
  B_COLUMN: i32,
}

const LANES = 8;
const ROWS = 16;
const COLUMNS = 4; // of each invocation

@group(0) @binding(0) var<storage, read> a: array<In0>;
@group(0) @binding(1) var<storage, read> b: array<In1>;
@group(0) @binding(2) var<storage, read_write> c: array<Out>;
@group(0) @binding(3) var<uniform> P: Params;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let batch = i32(tile.z);
  let b0 = batch / (P.BATCH1 * P.BATCH2);
  let b1 = (batch / P.BATCH2) % P.BATCH1;
  let b2 = batch % P.BATCH2;
  let a0 = P.A_OFFSET + b0 * P.A_BATCH0 + b1 * P.A_BATCH1 + b2 * P.A_BATCH2;
  let row = i32(tile.y) * ROWS;
  let column = i32(tile.x) * LANES * COLUMNS + i32(lane);
  let start = P.B_OFFSET + b0 * P.B_BATCH0 + b1 * P.B_BATCH1 + b2 * P.B_BATCH2;
  var bAt: array<i32, COLUMNS>;
  for (var j = 0; j < COLUMNS; j++) { bAt[j] = start + min(column + j * LANES, P.N - 1) * P.B_COLUMN; }
  var acc: array<array<f32, COLUMNS>, ROWS>;
  for (var k = 0; k < P.K; k++) {
    var y: array<f32, COLUMNS>;
    for (var j = 0; j < COLUMNS; j++) { y[j] = f32(b[u32(bAt[j] + k * P.B_ROW)]); }
    for (var h = 0; h < ROWS; h += LANES) {
      let mine = f32(a[u32(a0 + min(row + h + i32(lane), P.M - 1) * P.A_ROW + k * P.A_COLUMN)]);
      for (var i = 0; i < LANES; i++) {
        let x = subgroupShuffle(mine, u32(i));
        for (var j = 0; j < COLUMNS; j++) { acc[h + i][j] = fma(x, y[j], acc[h + i][j]); }
      }
    }
  }
  for (var i = 0; i < ROWS; i++) {
    for (var j = 0; j < COLUMNS; j++) {
      let n = column + j * LANES;
      let at = u32((batch * P.M + row + i) * P.N + n);
      if (row + i < P.M && n < P.N) { c[at] = finish(acc[i][j], at, u32(n)); }
    }
  }
}
