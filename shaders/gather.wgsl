// y[i, :] = table[index[i], :]; rows of WIDTH elements, one invocation an element. An index outside gives zeros.
override COUNT: u32;
override ROWS: u32;
override WIDTH: u32;
override GRID: u32;

@group(0) @binding(0) var<storage, read> table: array<In0>;
@group(0) @binding(1) var<storage, read> index: array<In1>;
@group(0) @binding(2) var<storage, read_write> y: array<Out>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x + id.y * GRID;
  if (i >= COUNT) { return; }
  let row = u32(index[i / WIDTH]);
  if (row < ROWS) { y[i] = table[row * WIDTH + i % WIDTH]; } else { y[i] = Out(0); }
}
