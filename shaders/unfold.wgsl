// Windows of an image: y[n, c, p, q, i, j] = x[n, c, i * STRIDE + p - PADDING, j * STRIDE + q - PADDING], zero outside.
// x [N, C, H, W], y [N, C, SIZE_Y, SIZE_X, OUT_Y, OUT_X]; one invocation an element of y.
override COUNT: u32;
override H: i32;
override W: i32;
override SIZE_Y: u32;
override SIZE_X: u32;
override OUT_Y: u32;
override OUT_X: u32;
override STRIDE: i32;
override PADDING: i32;
override GRID: u32;

@group(0) @binding(0) var<storage, read> x: array<In0>;
@group(0) @binding(1) var<storage, read_write> y: array<Out>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let at = id.x + id.y * GRID;
  if (at >= COUNT) { return; }
  let j = at % OUT_X;
  let i = (at / OUT_X) % OUT_Y;
  let q = (at / (OUT_X * OUT_Y)) % SIZE_X;
  let p = (at / (OUT_X * OUT_Y * SIZE_X)) % SIZE_Y;
  let image = i32(at / (OUT_X * OUT_Y * SIZE_X * SIZE_Y));
  let row = i32(i) * STRIDE + i32(p) - PADDING;
  let column = i32(j) * STRIDE + i32(q) - PADDING;
  if (row >= 0 && row < H && column >= 0 && column < W) {
    y[at] = x[u32((image * H + row) * W + column)];
  } else {
    y[at] = Out(0);
  }
}
