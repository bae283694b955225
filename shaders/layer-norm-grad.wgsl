// dx[r, :] = (h - mean(h) - y mean(h y)) / sqrt(variance + EPSILON) for h = gain g, y = standardize(x); a row of WIDTH
// elements is one unit of work.
struct Params {
  UNITS: u32,
  GRID: u32,
  WIDTH: u32,
  EPSILON: f32,
}

@group(0) @binding(0) var<storage, read> x: array<In0>;
@group(0) @binding(1) var<storage, read> gain: array<In1>;
@group(0) @binding(2) var<storage, read> g: array<In2>;
@group(0) @binding(3) var<storage, read_write> dx: array<Out>;
@group(0) @binding(4) var<uniform> P: Params;

fn h(start: u32, i: u32) -> f32 { return f32(gain[i]) * f32(g[start + i]); }

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = unitOf(group, local, P.GRID);
  if (row >= P.UNITS) { return; }
  let lane = laneOf(local);
  let start = row * P.WIDTH;
  let count = f32(P.WIDTH);
  var total = 0.0;
  var totalH = 0.0;
  for (var i = lane; i < P.WIDTH; i += LANES) {
    total += f32(x[start + i]);
    totalH += h(start, i);
  }
  let mean = across(total) / count;
  let meanH = across(totalH) / count;
  var squares = 0.0;
  var products = 0.0;
  for (var i = lane; i < P.WIDTH; i += LANES) {
    let d = f32(x[start + i]) - mean;
    squares = fma(d, d, squares);
    products = fma(d, h(start, i), products);
  }
  let scale = inverseSqrt(across(squares) / count + P.EPSILON);
  let along = across(products) / count * scale * scale;
  for (var i = lane; i < P.WIDTH; i += LANES) {
    let d = f32(x[start + i]) - mean;
    dx[start + i] = finish((h(start, i) - meanH - d * along) * scale, start + i, i);
  }
}
