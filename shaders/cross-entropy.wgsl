// y[r] = -(hit (1 - SMOOTHING) (x[r, labels[r]] - lse[r]) + SMOOTHING (mean(x[r, :]) - lse[r])), where hit is 1, or 0 for
// a label that is no index of the row. One invocation a row of WIDTH elements.
struct Params {
  ROWS: u32,
  WIDTH: u32,
  SMOOTHING: f32,
  GRID: u32,
}

@group(0) @binding(0) var<storage, read> x: array<In0>;
@group(0) @binding(1) var<storage, read> labels: array<In1>;
@group(0) @binding(2) var<storage, read> lse: array<In2>;
@group(0) @binding(3) var<storage, read_write> y: array<Out>;
@group(0) @binding(4) var<uniform> P: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x + id.y * P.GRID;
  if (row >= P.ROWS) { return; }
  let start = row * P.WIDTH;
  let label = u32(labels[row]);
  let sum = f32(lse[row]);
  var loss = 0.0;
  if (label < P.WIDTH) { loss = (1.0 - P.SMOOTHING) * (sum - f32(x[start + label])); }
  if (P.SMOOTHING != 0.0) {
    var total = 0.0;
    for (var i = 0u; i < P.WIDTH; i++) { total += f32(x[start + i]); }
    loss += P.SMOOTHING * (sum - total / f32(P.WIDTH));
  }
  y[row] = finish(loss, row, 0u);
}
