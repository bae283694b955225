// The transpose of unfold: y[n, c, h, w] = sum of every window element x[n, c, p, q, i, j] that was read from there.
// x [N, C, SIZE_Y, SIZE_X, OUT_Y, OUT_X], y [N, C, H, W]; one invocation an element of y.
struct Params {
  COUNT: u32,
  H: u32,
  W: u32,
  SIZE_Y: i32,
  SIZE_X: i32,
  OUT_Y: i32,
  OUT_X: i32,
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
  let column = i32(at % P.W) + P.PADDING;
  let row = i32((at / P.W) % P.H) + P.PADDING;
  let image = i32(at / (P.W * P.H));
  var total = 0.0;
  for (var p = 0; p < P.SIZE_Y; p++) {
    let i = (row - p) / P.STRIDE;
    if (row < p || i * P.STRIDE != row - p || i >= P.OUT_Y) { continue; }
    for (var q = 0; q < P.SIZE_X; q++) {
      let j = (column - q) / P.STRIDE;
      if (column < q || j * P.STRIDE != column - q || j >= P.OUT_X) { continue; }
      total += f32(x[u32((((image * P.SIZE_Y + p) * P.SIZE_X + q) * P.OUT_Y + i) * P.OUT_X + j)]);
    }
  }
  y[at] = Out(total);
}
