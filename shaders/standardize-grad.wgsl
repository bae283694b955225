// dx[r, :] = (g - mean(g) - y mean(g y)) / sqrt(variance + EPSILON) for y = standardize(x); a row of WIDTH elements is one
// unit of work.
struct Params {
  UNITS: u32,
  GRID: u32,
  WIDTH: u32,
  EPSILON: f32,
}

@group(0) @binding(0) var<storage, read> x: array<In0>;
@group(0) @binding(1) var<storage, read> g: array<In1>;
@group(0) @binding(2) var<storage, read_write> dx: array<Out>;
@group(0) @binding(3) var<uniform> P: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = unitOf(group, local, P.GRID);
  if (row >= P.UNITS) { return; }
  let lane = laneOf(local);
  let start = row * P.WIDTH;
  let count = f32(P.WIDTH);
  var total = 0.0;
  var totalG = 0.0;
  for (var i = lane; i < P.WIDTH; i += LANES) {
    total += f32(x[start + i]);
    totalG += f32(g[start + i]);
  }
  let mean = across(total) / count;
  let meanG = across(totalG) / count;
  var squares = 0.0;
  var products = 0.0;
  for (var i = lane; i < P.WIDTH; i += LANES) {
    let d = f32(x[start + i]) - mean;
    squares = fma(d, d, squares);
    products = fma(d, f32(g[start + i]), products);
  }
  let scale = inverseSqrt(across(squares) / count + P.EPSILON);
  let along = across(products) / count * scale * scale;
  for (var i = lane; i < P.WIDTH; i += LANES) {
    let d = f32(x[start + i]) - mean;
    dx[start + i] = finish((f32(g[start + i]) - meanG - d * along) * scale, start + i, i);
  }
}
