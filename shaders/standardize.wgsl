// y[r, :] = (x[r, :] - mean) / sqrt(variance + EPSILON); one invocation a row of WIDTH elements.
struct Params {
  ROWS: u32,
  WIDTH: u32,
  EPSILON: f32,
  GRID: u32,
}

@group(0) @binding(0) var<storage, read> x: array<In0>;
@group(0) @binding(1) var<storage, read_write> y: array<Out>;
@group(0) @binding(2) var<uniform> P: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x + id.y * P.GRID;
  if (row >= P.ROWS) { return; }
  let start = row * P.WIDTH;
  var total = 0.0;
  for (var i = 0u; i < P.WIDTH; i++) { total += f32(x[start + i]); }
  let mean = total / f32(P.WIDTH);
  var squares = 0.0;
  for (var i = 0u; i < P.WIDTH; i++) {
    let d = f32(x[start + i]) - mean;
    squares = fma(d, d, squares);
  }
  let scale = inverseSqrt(squares / f32(P.WIDTH) + P.EPSILON);
  for (var i = 0u; i < P.WIDTH; i++) {
    y[start + i] = finish((f32(x[start + i]) - mean) * scale, start + i, i);
  }
}
