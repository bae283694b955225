// y[r, :] = (x[r, :] - mean) / sqrt(variance + EPSILON); one invocation a row of WIDTH elements.
override ROWS: u32;
override WIDTH: u32;
override EPSILON: f32;
override GRID: u32;

@group(0) @binding(0) var<storage, read> x: array<In0>;
@group(0) @binding(1) var<storage, read_write> y: array<Out>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x + id.y * GRID;
  if (row >= ROWS) { return; }
  let start = row * WIDTH;
  var total = 0.0;
  for (var i = 0u; i < WIDTH; i++) { total += f32(x[start + i]); }
  let mean = total / f32(WIDTH);
  var squares = 0.0;
  for (var i = 0u; i < WIDTH; i++) {
    let d = f32(x[start + i]) - mean;
    squares = fma(d, d, squares);
  }
  let scale = inverseSqrt(squares / f32(WIDTH) + EPSILON);
  for (var i = 0u; i < WIDTH; i++) { y[start + i] = Out((f32(x[start + i]) - mean) * scale); }
}
