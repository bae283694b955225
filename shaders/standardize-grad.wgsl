// dx[r, :] = (g - mean(g) - y mean(g y)) / sqrt(variance + EPSILON) for y = standardize(x); one invocation a row.
struct Params {
  ROWS: u32,
  WIDTH: u32,
  EPSILON: f32,
  GRID: u32,
}

@group(0) @binding(0) var<storage, read> x: array<In0>;
@group(0) @binding(1) var<storage, read> g: array<In1>;
@group(0) @binding(2) var<storage, read_write> dx: array<Out>;
@group(0) @binding(3) var<uniform> P: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x + id.y * P.GRID;
  if (row >= P.ROWS) { return; }
  let start = row * P.WIDTH;
  let count = f32(P.WIDTH);
  var total = 0.0;
  var totalG = 0.0;
  for (var i = 0u; i < P.WIDTH; i++) {
    total += f32(x[start + i]);
    totalG += f32(g[start + i]);
  }
  let mean = total / count;
  let meanG = totalG / count;
  var squares = 0.0;
  var products = 0.0;
  for (var i = 0u; i < P.WIDTH; i++) {
    let d = f32(x[start + i]) - mean;
    squares = fma(d, d, squares);
    products = fma(d, f32(g[start + i]), products);
  }
  let scale = inverseSqrt(squares / count + P.EPSILON);
  let along = products / count * scale * scale;
  for (var i = 0u; i < P.WIDTH; i++) {
    let d = f32(x[start + i]) - mean;
    dx[start + i] = finish((f32(g[start + i]) - meanG - d * along) * scale, start + i, i);
  }
}
