// y[r, :] = exp(x[r, :] - max) / sum; one invocation a row of WIDTH elements.
struct Params {
  ROWS: u32,
  WIDTH: u32,
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
  var largest = f32(x[start]);
  for (var i = 1u; i < P.WIDTH; i++) { largest = max(largest, f32(x[start + i])); }
  var total = 0.0;
  for (var i = 0u; i < P.WIDTH; i++) { total += exp(f32(x[start + i]) - largest); }
  let scale = 1.0 / total;
  for (var i = 0u; i < P.WIDTH; i++) {
    y[start + i] = finish(exp(f32(x[start + i]) - largest) * scale, start + i, i);
  }
}
