// y[i, :] = table[index[i], :]; rows of WIDTH elements, one invocation an element. An index outside gives zeros.
struct Params {
  COUNT: u32,
  ROWS: u32,
  WIDTH: u32,
  GRID: u32,
}

@group(0) @binding(0) var<storage, read> table: array<In0>;
@group(0) @binding(1) var<storage, read> index: array<In1>;
@group(0) @binding(2) var<storage, read_write> y: array<Out>;
@group(0) @binding(3) var<uniform> P: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x + id.y * P.GRID;
  if (i >= P.COUNT) { return; }
  let row = u32(index[i / P.WIDTH]);
  let column = i % P.WIDTH;
  var value = Value(0);
  if (row < P.ROWS) { value = Value(table[row * P.WIDTH + column]); }
  y[i] = finish(value, i, column);
}
