// One pass of a separable resize: out[l, x] = the weighted sum of neighbouring pixels of line l, rounded and clipped to a byte a channel.
// Pixels are 0x00BBGGRR; weights are whole numbers, 2^22 standing for 1. One invocation a pixel.
struct Params {
  COUNT: u32,
  WIDTH: u32,
  TAP_STEP: u32,
  COLUMN_STEP: u32,
  PIXEL_STEP: u32,
  GRID: u32,
}

@group(0) @binding(0) var<storage, read> pixels: array<In0>;
@group(0) @binding(1) var<storage, read> lines: array<In1>;
@group(0) @binding(2) var<storage, read> taps: array<In2>;
@group(0) @binding(3) var<storage, read> weights: array<In3>;
@group(0) @binding(4) var<storage, read_write> y: array<Out>;
@group(0) @binding(5) var<uniform> P: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x + id.y * P.GRID;
  if (i >= P.COUNT) { return; }
  let line = i / P.WIDTH;
  let x = i % P.WIDTH;
  let tap = u32(lines[2u * line + 1u]) + x * P.TAP_STEP;
  var at = u32(lines[2u * line]) + x * P.COLUMN_STEP + u32(taps[2u * tap]) * P.PIXEL_STEP;
  let end = taps[2u * tap + 3u];
  var sum = vec3i(1 << 21u);
  for (var k = taps[2u * tap + 1u]; k < end; k++) {
    sum += weights[k] * vec3i((vec3u(pixels[at]) >> vec3u(0u, 8u, 16u)) & vec3u(255u));
    at += P.PIXEL_STEP;
  }
  let bytes = vec3u(clamp(sum >> vec3u(22u), vec3i(0), vec3i(255)));
  y[i] = finish(bytes.x | (bytes.y << 8u) | (bytes.z << 16u), i, x);
}
