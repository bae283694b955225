// Windows of an image: y[n, c, p, q, i, j] = x[n, c, i * STRIDE + p - PADDING, j * STRIDE + q - PADDING], zero outside.
// x [N, C, H, W], y [N, C, SIZE_Y, SIZE_X, OUT_Y, OUT_X]; one invocation an element of y.
struct Params {
  COUNT: u32,
  H: i32,
  W: i32,
  SIZE_Y: u32,
  SIZE_X: u32,
  OUT_Y: u32,
  OUT_X: u32,
  STRIDE: i32,
  PADDING: i32,
  GRID: u32,
}

@group(0) @binding(0) var<storage, read> x: array<In0>;
@group(0) @binding(1) var<storage, read_write> y: array<Out>;
@group(0) @binding(2) var<uniform> P: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let at = id.x + id.y * P.GRID;
  if (at >= P.COUNT) { return; }
  let j = at % P.OUT_X;
  let i = (at / P.OUT_X) % P.OUT_Y;
  let q = (at / (P.OUT_X * P.OUT_Y)) % P.SIZE_X;
  let p = (at / (P.OUT_X * P.OUT_Y * P.SIZE_X)) % P.SIZE_Y;
  let image = i32(at / (P.OUT_X * P.OUT_Y * P.SIZE_X * P.SIZE_Y));
  let row = i32(i) * P.STRIDE + i32(p) - P.PADDING;
  let column = i32(j) * P.STRIDE + i32(q) - P.PADDING;
  if (row >= 0 && row < P.H && column >= 0 && column < P.W) {
    y[at] = x[u32((image * P.H + row) * P.W + column)];
  } else {
    y[at] = Out(0);
  }
}
