// y[n, o, i, j] = sum over c, p, q of w[o, c, p, q] x[n, c, i * STRIDE + p - PADDING, j * STRIDE + q - PADDING], x zero
// outside. The matrix product of the weights and the windows, whose windows are never stored (implicit GEMM): one
// invocation computes 8 output channels of 4 pixels, the pixels of a workgroup's lanes interleaved. No barriers, no
// arrays: sound on every adapter.
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

const LANES = 16;
const CHANNELS = 8;

@group(0) @binding(0) var<storage, read> x: array<In0>;
@group(0) @binding(1) var<storage, read> w: array<In1>;
@group(0) @binding(2) var<storage, read_write> y: array<Out>;
@group(0) @binding(3) var<uniform> P: Params;

fn pixels(at: vec4i) -> vec4f {
  return vec4f(f32(x[u32(at.x)]), f32(x[u32(at.y)]), f32(x[u32(at.z)]), f32(x[u32(at.w)]));
}

// The weights of channel o begin here; channels past the end read the last.
fn weightsOf(o: i32) -> i32 { return min(o, P.O - 1) * P.C * P.SIZE_Y * P.SIZE_X; }

fn weight(at: i32) -> vec4f { return vec4f(f32(w[u32(at)])); }

fn put(at: i32, value: f32, pixel: i32) { y[u32(at)] = finish(value, u32(at), u32(pixel % P.OUT_X)); }

fn store(image: i32, o: i32, pixel: vec4i, values: vec4f) {
  if (o >= P.O) { return; }
  let count = P.OUT_Y * P.OUT_X;
  let at = (image * P.O + o) * count;
  if (pixel.x < count) { put(at + pixel.x, values.x, pixel.x); }
  if (pixel.y < count) { put(at + pixel.y, values.y, pixel.y); }
  if (pixel.z < count) { put(at + pixel.z, values.z, pixel.z); }
  if (pixel.w < count) { put(at + pixel.w, values.w, pixel.w); }
}

@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
  let image = i32(tile.z);
  let o = i32(tile.y) * CHANNELS;
  let pixel = i32(tile.x) * 4 * LANES + i32(lane) + vec4i(0, LANES, 2 * LANES, 3 * LANES);
  let top = (pixel / P.OUT_X) * P.STRIDE - P.PADDING;
  let left = (pixel % P.OUT_X) * P.STRIDE - P.PADDING;
  let w0 = weightsOf(o);
  let w1 = weightsOf(o + 1);
  let w2 = weightsOf(o + 2);
  let w3 = weightsOf(o + 3);
  let w4 = weightsOf(o + 4);
  let w5 = weightsOf(o + 5);
  let w6 = weightsOf(o + 6);
  let w7 = weightsOf(o + 7);
  var c0 = vec4f();
  var c1 = vec4f();
  var c2 = vec4f();
  var c3 = vec4f();
  var c4 = vec4f();
  var c5 = vec4f();
  var c6 = vec4f();
  var c7 = vec4f();
  var k = 0;
  for (var c = 0; c < P.C; c++) {
    let plane = (image * P.C + c) * P.H * P.W;
    for (var p = 0; p < P.SIZE_Y; p++) {
      let row = top + p;
      let start = plane + clamp(row, vec4i(0), vec4i(P.H - 1)) * P.W;
      for (var q = 0; q < P.SIZE_X; q++) {
        let column = left + q;
        let inside = (row >= vec4i(0)) & (row < vec4i(P.H)) & (column >= vec4i(0)) & (column < vec4i(P.W));
        let v = select(vec4f(), pixels(start + clamp(column, vec4i(0), vec4i(P.W - 1))), inside);
        c0 = fma(weight(w0 + k), v, c0);
        c1 = fma(weight(w1 + k), v, c1);
        c2 = fma(weight(w2 + k), v, c2);
        c3 = fma(weight(w3 + k), v, c3);
        c4 = fma(weight(w4 + k), v, c4);
        c5 = fma(weight(w5 + k), v, c5);
        c6 = fma(weight(w6 + k), v, c6);
        c7 = fma(weight(w7 + k), v, c7);
        k++;
      }
    }
  }
  store(image, o, pixel, c0);
  store(image, o + 1, pixel, c1);
  store(image, o + 2, pixel, c2);
  store(image, o + 3, pixel, c3);
  store(image, o + 4, pixel, c4);
  store(image, o + 5, pixel, c5);
  store(image, o + 6, pixel, c6);
  store(image, o + 7, pixel, c7);
}
