// out[r, :] = sum of updates[places[i], :] over i in [starts[r], starts[r + 1]); one invocation an element.
struct Params {
  COUNT: u32,
  WIDTH: u32,
  GRID: u32,
}

@group(0) @binding(0) var<storage, read> updates: array<In0>;
@group(0) @binding(1) var<storage, read> places: array<In1>;
@group(0) @binding(2) var<storage, read> starts: array<In2>;
@group(0) @binding(3) var<storage, read_write> result: array<Out>;
@group(0) @binding(4) var<uniform> P: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x + id.y * P.GRID;
  if (i >= P.COUNT) { return; }
  let row = i / P.WIDTH;
  let column = i % P.WIDTH;
  let end = starts[row + 1u];
  var sum = 0.0;
  for (var at = starts[row]; at < end; at++) { sum += f32(updates[u32(places[at]) * P.WIDTH + column]); }
  result[i] = finish(sum, i, column);
}
