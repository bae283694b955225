// y[r, :] = exp(x[r, :] - max) / sum; one invocation a row of WIDTH elements.
override ROWS: u32;
override WIDTH: u32;
override GRID: u32;

@group(0) @binding(0) var<storage, read> x: array<In0>;
@group(0) @binding(1) var<storage, read_write> y: array<Out>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x + id.y * GRID;
  if (row >= ROWS) { return; }
  let start = row * WIDTH;
  var largest = f32(x[start]);
  for (var i = 1u; i < WIDTH; i++) { largest = max(largest, f32(x[start + i])); }
  var total = 0.0;
  for (var i = 0u; i < WIDTH; i++) { total += exp(f32(x[start + i]) - largest); }
  let scale = 1.0 / total;
  for (var i = 0u; i < WIDTH; i++) { y[start + i] = Out(exp(f32(x[start + i]) - largest) * scale); }
}
