// y[r, :] = sum of the updates[i, :] with index[i] = r, in the order of i (no atomics: the same bits every time).
// One invocation an element of y.
struct Params {
  COUNT: u32,
  UPDATES: u32,
  WIDTH: u32,
  GRID: u32,
}

@group(0) @binding(0) var<storage, read> updates: array<In0>;
@group(0) @binding(1) var<storage, read> index: array<In1>;
@group(0) @binding(2) var<storage, read_write> y: array<Out>;
@group(0) @binding(3) var<uniform> P: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x + id.y * P.GRID;
  if (i >= P.COUNT) { return; }
  let row = i / P.WIDTH;
  let column = i % P.WIDTH;
  var total = 0.0;
  for (var u = 0u; u < P.UPDATES; u++) {
    if (u32(index[u]) == row) { total += f32(updates[u * P.WIDTH + column]); }
  }
  y[i] = finish(total, i, column);
}
