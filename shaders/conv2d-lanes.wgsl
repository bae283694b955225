// y[n, o, i, j] = sum over c, p, q of w[o, c, p, q] x[n, c, i * STRIDE + p - PADDING, j * STRIDE + q - PADDING], x zero
// outside. For CPU drivers that run a subgroup as one vector of 8 lanes, where a load costs more than the products it
// serves: as in matmul-lanes, a subgroup computes 32 channels of 32 pixels, four filter places at a time. Lane l loads
// channels and pixels 4 l to 4 l + 3, and channels reach the other lanes as broadcasts. The windows are never stored. A
// filter has a multiple of four places. No barriers, no workgroup memory.
struct Params {
  C: i32,
  H: i32,
  W: i32,
  O: i32,
  SIZE_Y: i32,
  SIZE_X: i32,
  OUT_Y: i32,
  OUT_X: i32,
  STRIDE: i32,
  PADDING: i32,
}

const TILE = 32;
const FOUR = vec4i(0, 1, 2, 3);

@group(0) @binding(0) var<storage, read> x: array<In0>;
@group(0) @binding(1) var<storage, read> w: array<vec4<In1>>;
@group(0) @binding(2) var<storage, read_write> y: array<Out>;
@group(0) @binding(3) var<uniform> P: Params;

// A place of the filter: its channel, row and column.
struct Place {
  c: i32,
  p: i32,
  q: i32,
}

fn next(at: Place) -> Place {
  let endOfRow = at.q + 1 == P.SIZE_X;
  let endOfChannel = endOfRow && at.p + 1 == P.SIZE_Y;
  return Place(
    at.c + select(0, 1, endOfChannel),
    select(at.p + select(0, 1, endOfRow), 0, endOfChannel),
    select(at.q + 1, 0, endOfRow),
  );
}

var<private> sums: array<f32, 4 * TILE>; // four pixels of each channel

fn add(row: u32, products: vec4f) {
  sums[4 * row] += products.x;
  sums[4 * row + 1] += products.y;
  sums[4 * row + 2] += products.z;
  sums[4 * row + 3] += products.w;
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let places = P.C * P.SIZE_Y * P.SIZE_X;
  let count = P.OUT_Y * P.OUT_X;
  let first = i32(tile.y) * TILE;
  let start = i32(tile.x) * TILE + 4 * i32(lane);
  let pixel = min(start + FOUR, vec4i(count - 1));
  let top = (pixel / P.OUT_X) * P.STRIDE - P.PADDING;
  let left = (pixel % P.OUT_X) * P.STRIDE - P.PADDING;
  let weights = min(first + 4 * i32(lane) + FOUR, vec4i(P.O - 1)) * (places / 4);
  let image = i32(tile.z) * P.C;
  var at = Place(0, 0, 0);
  for (var k = 0; k < places / 4; k++) {
    let f = mat4x4f(
      vec4f(w[u32(weights.x + k)]),
      vec4f(w[u32(weights.y + k)]),
      vec4f(w[u32(weights.z + k)]),
      vec4f(w[u32(weights.w + k)]),
    );
    for (var i = 0u; i < 4; i++) {
      let row = top + at.p;
      let column = left + at.q;
      let inside = (row >= vec4i(0)) & (row < vec4i(P.H)) & (column >= vec4i(0)) & (column < vec4i(P.W));
      let source = vec4u(select(vec4i(0), ((image + at.c) * P.H + row) * P.W + column, inside));
      let read = vec4f(f32(x[source.x]), f32(x[source.y]), f32(x[source.z]), f32(x[source.w]));
      let v = select(vec4f(), read, inside);
      for (var j = 0u; j < 4; j++) {
        let g = f[j][i];
        add(j, v * subgroupBroadcast(g, 0));
        add(4 + j, v * subgroupBroadcast(g, 1));
        add(8 + j, v * subgroupBroadcast(g, 2));
        add(12 + j, v * subgroupBroadcast(g, 3));
        add(16 + j, v * subgroupBroadcast(g, 4));
        add(20 + j, v * subgroupBroadcast(g, 5));
        add(24 + j, v * subgroupBroadcast(g, 6));
        add(28 + j, v * subgroupBroadcast(g, 7));
      }
      at = next(at);
    }
  }
  let end = 4 * u32(min(TILE, P.O - first));
  for (var i = 0u; i < end; i++) {
    let to = start + i32(i % 4);
    let flat = u32((i32(tile.z) * P.O + first + i32(i / 4)) * count + to);
    if (to < count) { y[flat] = finish(sums[i], flat, u32(to % P.OUT_X)); }
  }
}
