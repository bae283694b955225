// The transpose of unfold: y[n, c, h, w] = sum of every window element x[n, c, p, q, i, j] that was read from there.
// x [N, C, SIZE_Y, SIZE_X, OUT_Y, OUT_X], y [N, C, H, W]; one invocation an element of y.
override COUNT: u32;
override H: u32;
override W: u32;
override SIZE_Y: i32;
override SIZE_X: i32;
override OUT_Y: i32;
override OUT_X: i32;
override STRIDE: i32;
override PADDING: i32;
override GRID: u32;

@group(0) @binding(0) var<storage, read> x: array<In0>;
@group(0) @binding(1) var<storage, read_write> y: array<Out>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let at = id.x + id.y * GRID;
  if (at >= COUNT) { return; }
  let column = i32(at % W) + PADDING;
  let row = i32((at / W) % H) + PADDING;
  let image = i32(at / (W * H));
  var total = 0.0;
  for (var p = 0; p < SIZE_Y; p++) {
    let i = (row - p) / STRIDE;
    if (row < p || i * STRIDE != row - p || i >= OUT_Y) { continue; }
    for (var q = 0; q < SIZE_X; q++) {
      let j = (column - q) / STRIDE;
      if (column < q || j * STRIDE != column - q || j >= OUT_X) { continue; }
      total += f32(x[u32((((image * SIZE_Y + p) * SIZE_X + q) * OUT_Y + i) * OUT_X + j)]);
    }
  }
  y[at] = Out(total);
}
