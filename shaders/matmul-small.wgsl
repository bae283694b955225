// C[b, m, n] = sum over k of A[b, m, k] B[b, k, n]; A and B are any strided views, C is contiguous.
// One invocation an element: for products so small that the time a driver takes to compile a better kernel is longer.
struct Params {
  COUNT: u32,
  GRID: u32,
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

@group(0) @binding(0) var<storage, read> a: array<In0>;
@group(0) @binding(1) var<storage, read> b: array<In1>;
@group(0) @binding(2) var<storage, read_write> c: array<Out>;
@group(0) @binding(3) var<uniform> P: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x + id.y * P.GRID;
  if (i >= P.COUNT) { return; }
  let n = i % P.N;
  let m = (i / P.N) % P.M;
  let batch = i / (P.N * P.M);
  let b0 = batch / (P.BATCH1 * P.BATCH2);
  let b1 = (batch / P.BATCH2) % P.BATCH1;
  let b2 = batch % P.BATCH2;
  var atA = P.A_OFFSET + b0 * P.A_BATCH0 + b1 * P.A_BATCH1 + b2 * P.A_BATCH2 + m * P.A_ROW;
  var atB = P.B_OFFSET + b0 * P.B_BATCH0 + b1 * P.B_BATCH1 + b2 * P.B_BATCH2 + n * P.B_COLUMN;
  var sum = 0.0;
  for (var k = 0u; k < P.K; k++) {
    sum = fma(f32(a[atA]), f32(b[atB]), sum);
    atA += P.A_COLUMN;
    atB += P.B_ROW;
  }
  c[i] = finish(sum, i, n);
}
