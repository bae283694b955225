// Indices of the K largest of each row of WIDTH, largest first, the lower index first among equals.
// One invocation a row; each pass finds the next in that order. keyOf gives numbers in the order of the elements.
struct Params {
  ROWS: u32,
  WIDTH: u32,
  K: u32,
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
  var last = 0u;
  var lastAt = 0u;
  for (var k = 0u; k < P.K; k++) {
    var best = 0u;
    var bestAt = P.WIDTH;
    for (var i = 0u; i < P.WIDTH; i++) {
      let key = keyOf(x[start + i]);
      let follows = k == 0u || key < last || (key == last && i > lastAt);
      if (follows && (bestAt == P.WIDTH || key > best)) {
        best = key;
        bestAt = i;
      }
    }
    last = best;
    lastAt = bestAt;
    y[row * P.K + k] = finish(Value(bestAt), row * P.K + k, k);
  }
}
