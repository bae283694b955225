// C[b, m, n] = sum over k of A[b, m, k] B[b, k, n]; A and B are any strided views, C is contiguous.
// One invocation computes 8 rows by 4 columns; the columns of a workgroup's lanes are interleaved. No barriers, no workgroup
// memory, and no arrays (drivers that do not unroll loops keep those in memory): sound on every adapter.
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
const ROWS = 8;

@group(0) @binding(0) var<storage, read> a: array<In0>;
@group(0) @binding(1) var<storage, read> b: array<In1>;
@group(0) @binding(2) var<storage, read_write> c: array<Out>;
@group(0) @binding(3) var<uniform> P: Params;

// Where row r of A begins; rows past the end read the last one.
fn rowOfA(start: i32, r: i32) -> i32 { return start + min(r, P.M - 1) * P.A_ROW; }

fn columnOfB(start: i32, n: i32) -> i32 { return start + min(n, P.N - 1) * P.B_COLUMN; }

fn storeOne(row: i32, column: i32, value: f32) {
  if (column >= P.N) { return; }
  let at = u32(row * P.N + column);
  c[at] = finish(value, at, u32(column));
}

fn store(batch: i32, row: i32, column: i32, values: vec4f) {
  if (row >= P.M) { return; }
  let r = batch * P.M + row;
  storeOne(r, column, values.x);
  storeOne(r, column + LANES, values.y);
  storeOne(r, column + 2 * LANES, values.z);
  storeOne(r, column + 3 * LANES, values.w);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
  let batch = i32(tile.z);
  let b0 = batch / (P.BATCH1 * P.BATCH2);
  let b1 = (batch / P.BATCH2) % P.BATCH1;
  let b2 = batch % P.BATCH2;
  let row = i32(tile.y) * ROWS;
  let column = i32(tile.x) * LANES * 4 + i32(lane);
  let startA = P.A_OFFSET + b0 * P.A_BATCH0 + b1 * P.A_BATCH1 + b2 * P.A_BATCH2;
  let startB = P.B_OFFSET + b0 * P.B_BATCH0 + b1 * P.B_BATCH1 + b2 * P.B_BATCH2;
  var a0 = rowOfA(startA, row);
  var a1 = rowOfA(startA, row + 1);
  var a2 = rowOfA(startA, row + 2);
  var a3 = rowOfA(startA, row + 3);
  var a4 = rowOfA(startA, row + 4);
  var a5 = rowOfA(startA, row + 5);
  var a6 = rowOfA(startA, row + 6);
  var a7 = rowOfA(startA, row + 7);
  var bAt = vec4i(
    columnOfB(startB, column),
    columnOfB(startB, column + LANES),
    columnOfB(startB, column + 2 * LANES),
    columnOfB(startB, column + 3 * LANES),
  );
  var c0 = vec4f();
  var c1 = vec4f();
  var c2 = vec4f();
  var c3 = vec4f();
  var c4 = vec4f();
  var c5 = vec4f();
  var c6 = vec4f();
  var c7 = vec4f();
  for (var k = 0; k < P.K; k++) {
    let y = vec4f(f32(b[u32(bAt.x)]), f32(b[u32(bAt.y)]), f32(b[u32(bAt.z)]), f32(b[u32(bAt.w)]));
    c0 = fma(vec4f(f32(a[u32(a0)])), y, c0);
    c1 = fma(vec4f(f32(a[u32(a1)])), y, c1);
    c2 = fma(vec4f(f32(a[u32(a2)])), y, c2);
    c3 = fma(vec4f(f32(a[u32(a3)])), y, c3);
    c4 = fma(vec4f(f32(a[u32(a4)])), y, c4);
    c5 = fma(vec4f(f32(a[u32(a5)])), y, c5);
    c6 = fma(vec4f(f32(a[u32(a6)])), y, c6);
    c7 = fma(vec4f(f32(a[u32(a7)])), y, c7);
    bAt += P.B_ROW;
    a0 += P.A_COLUMN;
    a1 += P.A_COLUMN;
    a2 += P.A_COLUMN;
    a3 += P.A_COLUMN;
    a4 += P.A_COLUMN;
    a5 += P.A_COLUMN;
    a6 += P.A_COLUMN;
    a7 += P.A_COLUMN;
  }
  store(batch, row, column, c0);
  store(batch, row + 1, column, c1);
  store(batch, row + 2, column, c2);
  store(batch, row + 3, column, c3);
  store(batch, row + 4, column, c4);
  store(batch, row + 5, column, c5);
  store(batch, row + 6, column, c6);
  store(batch, row + 7, column, c7);
}
