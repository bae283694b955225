// Indices of the K largest of each row of WIDTH, largest first, the lower index first among equals.
// One invocation a row; each pass finds the next in that order. NaN counts as smallest.
override ROWS: u32;
override WIDTH: u32;
override K: u32;
override GRID: u32;

@group(0) @binding(0) var<storage, read> x: array<In0>;
@group(0) @binding(1) var<storage, read_write> y: array<Out>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x + id.y * GRID;
  if (row >= ROWS) { return; }
  let start = row * WIDTH;
  var last: In0;
  var lastAt = WIDTH;
  for (var k = 0u; k < K; k++) {
    var best: In0;
    var bestAt = WIDTH;
    for (var i = 0u; i < WIDTH; i++) {
      let v = x[start + i];
      let follows = k == 0u || v < last || (v == last && i > lastAt);
      if (follows && (bestAt == WIDTH || v > best)) {
        best = v;
        bestAt = i;
      }
    }
    last = best;
    lastAt = bestAt;
    y[row * K + k] = Out(bestAt);
  }
}
