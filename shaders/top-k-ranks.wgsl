// Indices of the K largest of each row of WIDTH, largest first, the lower index first among equals.
// One invocation an element, which counts those before it: that is its place among the results, if it is below K.
struct Params {
  COUNT: u32,
  WIDTH: u32,
  K: u32,
  GRID: u32,
}

@group(0) @binding(0) var<storage, read> x: array<In0>;
@group(0) @binding(1) var<storage, read_write> y: array<Out>;
@group(0) @binding(2) var<uniform> P: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x + id.y * P.GRID;
  if (i >= P.COUNT) { return; }
  let row = i / P.WIDTH;
  let start = row * P.WIDTH;
  let key = keyOf(x[i]);
  var rank = 0u;
  for (var j = start; j < i; j++) { rank += select(0u, 1u, keyOf(x[j]) >= key); }
  for (var j = i + 1u; j < start + P.WIDTH; j++) { rank += select(0u, 1u, keyOf(x[j]) > key); }
  if (rank < P.K) { y[row * P.K + rank] = finish(Value(i - start), row * P.K + rank, rank); }
}
