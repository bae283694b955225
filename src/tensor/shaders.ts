// Made from shaders/*.wgsl by `npm run shaders`; edit those.
export const shaders = {
  attentionGradKey: `// dk[j, h, :] = SCALE times the sum over the queries i that see key j of w (g[i, h]·v[j, h] - delta[i, h]) q[i, h, :],
// w = exp(SCALE q[i, h]·k[j, h] - lse[i, h]). The readers of key j are the queries of two spans, as the keys of a query
// are in attention.wgsl; so are the lanes.
struct Params {
  UNITS: u32,
  GRID: u32,
  HEADS: u32,
  SCALE: f32,
  Q_OFFSET: u32,
  Q_ROW: u32,
  Q_HEAD: u32,
  Q_DIM: u32,
  K_OFFSET: u32,
  K_ROW: u32,
  K_HEAD: u32,
  K_DIM: u32,
  V_OFFSET: u32,
  V_ROW: u32,
  V_HEAD: u32,
  V_DIM: u32,
}

@group(0) @binding(0) var<storage, read> q: array<In0>;
@group(0) @binding(1) var<storage, read> k: array<In1>;
@group(0) @binding(2) var<storage, read> v: array<In2>;
@group(0) @binding(3) var<storage, read> g: array<In3>;
@group(0) @binding(4) var<storage, read> lse: array<In4>;
@group(0) @binding(5) var<storage, read> delta: array<In5>;
@group(0) @binding(6) var<storage, read> readers: array<In6>;
@group(0) @binding(7) var<storage, read_write> dk: array<Out>;
@group(0) @binding(8) var<uniform> P: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let unit = unitOf(group, local, P.GRID);
  if (unit >= P.UNITS) { return; }
  let j = unit / P.HEADS;
  let h = unit % P.HEADS;
  let lane = laneOf(local);
  let qAt = P.Q_OFFSET + h * P.Q_HEAD;
  let kAt = P.K_OFFSET + j * P.K_ROW + h * P.K_HEAD;
  let vAt = P.V_OFFSET + j * P.V_ROW + h * P.V_HEAD;
  var key: array<f32, OWN>;
  for (var c = 0u; c < OWN; c++) {
    let d = c * LANES + lane;
    key[c] = select(0.0, f32(k[kAt + min(d, DIM - 1u) * P.K_DIM]) * P.SCALE, d < DIM);
  }
  var value: array<f32, VALUE_OWN>;
  for (var c = 0u; c < VALUE_OWN; c++) {
    let e = c * LANES + lane;
    value[c] = select(0.0, f32(v[vAt + min(e, VALUE_DIM - 1u) * P.V_DIM]), e < VALUE_DIM);
  }
  var sum: array<f32, OWN>;
  for (var s = 0u; s < 4u; s += 2u) {
    let end = u32(readers[4u * j + s + 1u]);
    for (var i = u32(readers[4u * j + s]); i < end; i++) {
      let at = i * P.HEADS + h;
      var query: array<f32, OWN>;
      var parts = vec2f();
      for (var c = 0u; c < OWN; c++) {
        query[c] = f32(q[qAt + i * P.Q_ROW + min(c * LANES + lane, DIM - 1u) * P.Q_DIM]);
        parts.x = fma(query[c], key[c], parts.x);
      }
      for (var c = 0u; c < VALUE_OWN; c++) {
        parts.y = fma(f32(g[at * VALUE_DIM + min(c * LANES + lane, VALUE_DIM - 1u)]), value[c], parts.y);
      }
      let weight = exp(across(parts.x) - f32(lse[at]));
      let slope = weight * (across(parts.y) - f32(delta[at]));
      for (var c = 0u; c < OWN; c++) { sum[c] = fma(slope, query[c], sum[c]); }
    }
  }
  for (var c = 0u; c < OWN; c++) {
    let d = c * LANES + lane;
    if (d < DIM) {
      let at = unit * DIM + d;
      dk[at] = finish(sum[c] * P.SCALE, at, d);
    }
  }
}
`,
  attentionGradQuery: `// dq[i, h, :] = SCALE times the sum over the keys j that query i sees of w (g[i, h]·v[j, h] - delta[i, h]) k[j, h, :],
// w = exp(SCALE q[i, h]·k[j, h] - lse[i, h]). Spans and lanes as in attention.wgsl.
struct Params {
  UNITS: u32,
  GRID: u32,
  HEADS: u32,
  SCALE: f32,
  Q_OFFSET: u32,
  Q_ROW: u32,
  Q_HEAD: u32,
  Q_DIM: u32,
  K_OFFSET: u32,
  K_ROW: u32,
  K_HEAD: u32,
  K_DIM: u32,
  V_OFFSET: u32,
  V_ROW: u32,
  V_HEAD: u32,
  V_DIM: u32,
}

@group(0) @binding(0) var<storage, read> q: array<In0>;
@group(0) @binding(1) var<storage, read> k: array<In1>;
@group(0) @binding(2) var<storage, read> v: array<In2>;
@group(0) @binding(3) var<storage, read> g: array<In3>;
@group(0) @binding(4) var<storage, read> lse: array<In4>;
@group(0) @binding(5) var<storage, read> delta: array<In5>;
@group(0) @binding(6) var<storage, read> spans: array<In6>;
@group(0) @binding(7) var<storage, read_write> dq: array<Out>;
@group(0) @binding(8) var<uniform> P: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let unit = unitOf(group, local, P.GRID);
  if (unit >= P.UNITS) { return; }
  let i = unit / P.HEADS;
  let h = unit % P.HEADS;
  let lane = laneOf(local);
  let qAt = P.Q_OFFSET + i * P.Q_ROW + h * P.Q_HEAD;
  let kAt = P.K_OFFSET + h * P.K_HEAD;
  let vAt = P.V_OFFSET + h * P.V_HEAD;
  var query: array<f32, OWN>;
  for (var c = 0u; c < OWN; c++) {
    let d = c * LANES + lane;
    query[c] = select(0.0, f32(q[qAt + min(d, DIM - 1u) * P.Q_DIM]) * P.SCALE, d < DIM);
  }
  var above: array<f32, VALUE_OWN>;
  for (var c = 0u; c < VALUE_OWN; c++) {
    let e = c * LANES + lane;
    above[c] = select(0.0, f32(g[unit * VALUE_DIM + min(e, VALUE_DIM - 1u)]), e < VALUE_DIM);
  }
  var sum: array<f32, OWN>;
  for (var s = 0u; s < 4u; s += 2u) {
    let end = u32(spans[4u * i + s + 1u]);
    for (var j = u32(spans[4u * i + s]); j < end; j++) {
      var key: array<f32, OWN>;
      var parts = vec2f();
      for (var c = 0u; c < OWN; c++) {
        key[c] = f32(k[kAt + j * P.K_ROW + min(c * LANES + lane, DIM - 1u) * P.K_DIM]);
        parts.x = fma(query[c], key[c], parts.x);
      }
      for (var c = 0u; c < VALUE_OWN; c++) {
        let value = f32(v[vAt + j * P.V_ROW + min(c * LANES + lane, VALUE_DIM - 1u) * P.V_DIM]);
        parts.y = fma(above[c], value, parts.y);
      }
      let weight = exp(across(parts.x) - f32(lse[unit]));
      let slope = weight * (across(parts.y) - f32(delta[unit]));
      for (var c = 0u; c < OWN; c++) { sum[c] = fma(slope, key[c], sum[c]); }
    }
  }
  for (var c = 0u; c < OWN; c++) {
    let d = c * LANES + lane;
    if (d < DIM) {
      let at = unit * DIM + d;
      dq[at] = finish(sum[c] * P.SCALE, at, d);
    }
  }
}
`,
  attentionGradValue: `// dv[j, h, :] = sum over the queries i that see key j of exp(SCALE q[i, h]·k[j, h] - lse[i, h]) g[i, h, :].
// Readers and lanes as in attention-grad-key.wgsl.
struct Params {
  UNITS: u32,
  GRID: u32,
  HEADS: u32,
  SCALE: f32,
  Q_OFFSET: u32,
  Q_ROW: u32,
  Q_HEAD: u32,
  Q_DIM: u32,
  K_OFFSET: u32,
  K_ROW: u32,
  K_HEAD: u32,
  K_DIM: u32,
}

@group(0) @binding(0) var<storage, read> q: array<In0>;
@group(0) @binding(1) var<storage, read> k: array<In1>;
@group(0) @binding(2) var<storage, read> g: array<In2>;
@group(0) @binding(3) var<storage, read> lse: array<In3>;
@group(0) @binding(4) var<storage, read> readers: array<In4>;
@group(0) @binding(5) var<storage, read_write> dv: array<Out>;
@group(0) @binding(6) var<uniform> P: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let unit = unitOf(group, local, P.GRID);
  if (unit >= P.UNITS) { return; }
  let j = unit / P.HEADS;
  let h = unit % P.HEADS;
  let lane = laneOf(local);
  let qAt = P.Q_OFFSET + h * P.Q_HEAD;
  let kAt = P.K_OFFSET + j * P.K_ROW + h * P.K_HEAD;
  var key: array<f32, OWN>;
  for (var c = 0u; c < OWN; c++) {
    let d = c * LANES + lane;
    key[c] = select(0.0, f32(k[kAt + min(d, DIM - 1u) * P.K_DIM]) * P.SCALE, d < DIM);
  }
  var sum: array<f32, VALUE_OWN>;
  for (var s = 0u; s < 4u; s += 2u) {
    let end = u32(readers[4u * j + s + 1u]);
    for (var i = u32(readers[4u * j + s]); i < end; i++) {
      let at = i * P.HEADS + h;
      var part = 0.0;
      for (var c = 0u; c < OWN; c++) {
        part = fma(f32(q[qAt + i * P.Q_ROW + min(c * LANES + lane, DIM - 1u) * P.Q_DIM]), key[c], part);
      }
      let weight = exp(across(part) - f32(lse[at]));
      for (var c = 0u; c < VALUE_OWN; c++) {
        sum[c] = fma(weight, f32(g[at * VALUE_DIM + min(c * LANES + lane, VALUE_DIM - 1u)]), sum[c]);
      }
    }
  }
  for (var c = 0u; c < VALUE_OWN; c++) {
    let e = c * LANES + lane;
    if (e < VALUE_DIM) {
      let at = unit * VALUE_DIM + e;
      dv[at] = finish(sum[c], at, e);
    }
  }
}
`,
  attentionLogSum: `// lse[i, h] = log of the sum over the keys j that query i sees of exp(SCALE q[i, h]·k[j, h]): what the gradients of
// attention need of its scores. Spans and lanes as in attention.wgsl.
struct Params {
  UNITS: u32,
  GRID: u32,
  HEADS: u32,
  SCALE: f32,
  Q_OFFSET: u32,
  Q_ROW: u32,
  Q_HEAD: u32,
  Q_DIM: u32,
  K_OFFSET: u32,
  K_ROW: u32,
  K_HEAD: u32,
  K_DIM: u32,
}

@group(0) @binding(0) var<storage, read> q: array<In0>;
@group(0) @binding(1) var<storage, read> k: array<In1>;
@group(0) @binding(2) var<storage, read> spans: array<In2>;
@group(0) @binding(3) var<storage, read_write> lse: array<Out>;
@group(0) @binding(4) var<uniform> P: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let unit = unitOf(group, local, P.GRID);
  if (unit >= P.UNITS) { return; }
  let i = unit / P.HEADS;
  let h = unit % P.HEADS;
  let lane = laneOf(local);
  let qAt = P.Q_OFFSET + i * P.Q_ROW + h * P.Q_HEAD;
  let kAt = P.K_OFFSET + h * P.K_HEAD;
  var query: array<f32, OWN>;
  for (var c = 0u; c < OWN; c++) {
    let d = c * LANES + lane;
    query[c] = select(0.0, f32(q[qAt + min(d, DIM - 1u) * P.Q_DIM]) * P.SCALE, d < DIM);
  }
  var largest = -3.0e38;
  var total = 0.0;
  for (var s = 0u; s < 4u; s += 2u) {
    let end = u32(spans[4u * i + s + 1u]);
    for (var j = u32(spans[4u * i + s]); j < end; j++) {
      var part = 0.0;
      for (var c = 0u; c < OWN; c++) {
        part = fma(query[c], f32(k[kAt + j * P.K_ROW + min(c * LANES + lane, DIM - 1u) * P.K_DIM]), part);
      }
      let score = across(part);
      let higher = max(largest, score);
      total = fma(total, exp(largest - higher), exp(score - higher));
      largest = higher;
    }
  }
  if (lane == 0u) { lse[unit] = Out(largest + log(total)); }
}
`,
  attention: `// o[i, h, :] = sum over the keys j that query i sees of softmax(SCALE q[i, h]·k[j, h])_j v[j, h, :].
// Query i sees the keys of two spans, [spans[i, 0], spans[i, 1]) and [spans[i, 2], spans[i, 3]). LANES invocations
// share one query and head, each holds every LANES-th element; scores are never stored: a running maximum rescales.
struct Params {
  UNITS: u32,
  GRID: u32,
  HEADS: u32,
  SCALE: f32,
  Q_OFFSET: u32,
  Q_ROW: u32,
  Q_HEAD: u32,
  Q_DIM: u32,
  K_OFFSET: u32,
  K_ROW: u32,
  K_HEAD: u32,
  K_DIM: u32,
  V_OFFSET: u32,
  V_ROW: u32,
  V_HEAD: u32,
  V_DIM: u32,
}

@group(0) @binding(0) var<storage, read> q: array<In0>;
@group(0) @binding(1) var<storage, read> k: array<In1>;
@group(0) @binding(2) var<storage, read> v: array<In2>;
@group(0) @binding(3) var<storage, read> spans: array<In3>;
@group(0) @binding(4) var<storage, read_write> o: array<Out>;
@group(0) @binding(5) var<uniform> P: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let unit = unitOf(group, local, P.GRID);
  if (unit >= P.UNITS) { return; }
  let i = unit / P.HEADS;
  let h = unit % P.HEADS;
  let lane = laneOf(local);
  let qAt = P.Q_OFFSET + i * P.Q_ROW + h * P.Q_HEAD;
  let kAt = P.K_OFFSET + h * P.K_HEAD;
  let vAt = P.V_OFFSET + h * P.V_HEAD;
  var query: array<f32, OWN>;
  for (var c = 0u; c < OWN; c++) {
    let d = c * LANES + lane;
    query[c] = select(0.0, f32(q[qAt + min(d, DIM - 1u) * P.Q_DIM]) * P.SCALE, d < DIM);
  }
  var mixed: array<f32, VALUE_OWN>;
  var largest = -3.0e38;
  var total = 0.0;
  for (var s = 0u; s < 4u; s += 2u) {
    let end = u32(spans[4u * i + s + 1u]);
    for (var j = u32(spans[4u * i + s]); j < end; j++) {
      var part = 0.0;
      for (var c = 0u; c < OWN; c++) {
        part = fma(query[c], f32(k[kAt + j * P.K_ROW + min(c * LANES + lane, DIM - 1u) * P.K_DIM]), part);
      }
      let score = across(part);
      let higher = max(largest, score);
      let kept = exp(largest - higher);
      let weight = exp(score - higher);
      largest = higher;
      total = fma(total, kept, weight);
      for (var c = 0u; c < VALUE_OWN; c++) {
        let value = f32(v[vAt + j * P.V_ROW + min(c * LANES + lane, VALUE_DIM - 1u) * P.V_DIM]);
        mixed[c] = fma(mixed[c], kept, weight * value);
      }
    }
  }
  for (var c = 0u; c < VALUE_OWN; c++) {
    let e = c * LANES + lane;
    if (e < VALUE_DIM) {
      let at = unit * VALUE_DIM + e;
      o[at] = finish(mixed[c] / total, at, e);
    }
  }
}
`,
  crossEntropy: `// y[r] = -(hit (1 - SMOOTHING) (x[r, labels[r]] - lse[r]) + SMOOTHING (mean(x[r, :]) - lse[r])), where hit is 1, or 0 for
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
`,
  fold: `// The transpose of unfold: y[n, c, h, w] = sum of every window element x[n, c, p, q, i, j] that was read from there.
// x [N, C, SIZE_Y, SIZE_X, OUT_Y, OUT_X], y [N, C, H, W]; one invocation an element of y.
struct Params {
  COUNT: u32,
  H: u32,
  W: u32,
  SIZE_Y: i32,
  SIZE_X: i32,
  OUT_Y: i32,
  OUT_X: i32,
  STRIDE: i32,
  PADDING: i32,
  GRID: u32,
}

@group(0) @binding(0) var<storage, read> x: array<In0>;
@group(0) @binding(1) var<storage, read_write> y: array<Out>;
@group(0) @binding(2) var<uniform> P: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let at = id.x + id.y * P.GRID;
  if (at >= P.COUNT) { return; }
  let column = i32(at % P.W) + P.PADDING;
  let row = i32((at / P.W) % P.H) + P.PADDING;
  let image = i32(at / (P.W * P.H));
  var total = 0.0;
  for (var p = 0; p < P.SIZE_Y; p++) {
    let i = (row - p) / P.STRIDE;
    if (row < p || i * P.STRIDE != row - p || i >= P.OUT_Y) { continue; }
    for (var q = 0; q < P.SIZE_X; q++) {
      let j = (column - q) / P.STRIDE;
      if (column < q || j * P.STRIDE != column - q || j >= P.OUT_X) { continue; }
      total += f32(x[u32((((image * P.SIZE_Y + p) * P.SIZE_X + q) * P.OUT_Y + i) * P.OUT_X + j)]);
    }
  }
  y[at] = Out(total);
}
`,
  gather: `// y[i, :] = table[index[i], :]; rows of WIDTH elements, one invocation an element. An index outside gives zeros.
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
`,
  layerNormGrad: `// dx[r, :] = (h - mean(h) - y mean(h y)) / sqrt(variance + EPSILON) for h = gain g, y = standardize(x); a row of WIDTH
// elements is one unit of work.
struct Params {
  UNITS: u32,
  GRID: u32,
  WIDTH: u32,
  EPSILON: f32,
}

@group(0) @binding(0) var<storage, read> x: array<In0>;
@group(0) @binding(1) var<storage, read> gain: array<In1>;
@group(0) @binding(2) var<storage, read> g: array<In2>;
@group(0) @binding(3) var<storage, read_write> dx: array<Out>;
@group(0) @binding(4) var<uniform> P: Params;

fn h(start: u32, i: u32) -> f32 { return f32(gain[i]) * f32(g[start + i]); }

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = unitOf(group, local, P.GRID);
  if (row >= P.UNITS) { return; }
  let lane = laneOf(local);
  let start = row * P.WIDTH;
  let count = f32(P.WIDTH);
  var total = 0.0;
  var totalH = 0.0;
  for (var i = lane; i < P.WIDTH; i += LANES) {
    total += f32(x[start + i]);
    totalH += h(start, i);
  }
  let mean = across(total) / count;
  let meanH = across(totalH) / count;
  var squares = 0.0;
  var products = 0.0;
  for (var i = lane; i < P.WIDTH; i += LANES) {
    let d = f32(x[start + i]) - mean;
    squares = fma(d, d, squares);
    products = fma(d, h(start, i), products);
  }
  let scale = inverseSqrt(across(squares) / count + P.EPSILON);
  let along = across(products) / count * scale * scale;
  for (var i = lane; i < P.WIDTH; i += LANES) {
    let d = f32(x[start + i]) - mean;
    dx[start + i] = finish((h(start, i) - meanH - d * along) * scale, start + i, i);
  }
}
`,
  logSumExp: `// y[r] = log of the sum of exp(x[r, :]); a row of WIDTH elements is one unit of work.
struct Params {
  UNITS: u32,
  GRID: u32,
  WIDTH: u32,
}

@group(0) @binding(0) var<storage, read> x: array<In0>;
@group(0) @binding(1) var<storage, read_write> y: array<Out>;
@group(0) @binding(2) var<uniform> P: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = unitOf(group, local, P.GRID);
  if (row >= P.UNITS) { return; }
  let lane = laneOf(local);
  let start = row * P.WIDTH;
  var largest = f32(x[start]);
  for (var i = lane; i < P.WIDTH; i += LANES) { largest = max(largest, f32(x[start + i])); }
  largest = highest(largest);
  var total = 0.0;
  for (var i = lane; i < P.WIDTH; i += LANES) { total += exp(f32(x[start + i]) - largest); }
  total = across(total);
  if (lane == 0u) { y[row] = finish(largest + log(total), row, 0u); }
}
`,
  matmulSubgroup: `// C[b, m, n] = sum over k of A[b, m, k] B[b, k, n]; A and B are any strided views, C is contiguous.
// One invocation computes 16 rows by 4 columns. Each lane fetches one row's element of A and hands it to the others by
// shuffles, so that A costs one load per 8 rows; needs subgroups of at least 8 lanes. No barriers, no workgroup memory.
struct Params {
  M: i32,
  N: i32,
  K: i32,
  BATCH1: i32,
  BATCH2: i32,
  A_OFFSET: i32,
  A_BATCH0: i32,
  A_BATCH1: i32,
  A_BATCH2: i32,
  A_ROW: i32,
  A_COLUMN: i32,
  B_OFFSET: i32,
  B_BATCH0: i32,
  B_BATCH1: i32,
  B_BATCH2: i32,
  B_ROW: i32,
  B_COLUMN: i32,
}

const LANES = 8;
const ROWS = 16;
const COLUMNS = 4; // of each invocation

@group(0) @binding(0) var<storage, read> a: array<In0>;
@group(0) @binding(1) var<storage, read> b: array<In1>;
@group(0) @binding(2) var<storage, read_write> c: array<Out>;
@group(0) @binding(3) var<uniform> P: Params;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let batch = i32(tile.z);
  let b0 = batch / (P.BATCH1 * P.BATCH2);
  let b1 = (batch / P.BATCH2) % P.BATCH1;
  let b2 = batch % P.BATCH2;
  let a0 = P.A_OFFSET + b0 * P.A_BATCH0 + b1 * P.A_BATCH1 + b2 * P.A_BATCH2;
  let row = i32(tile.y) * ROWS;
  let column = i32(tile.x) * LANES * COLUMNS + i32(lane);
  let start = P.B_OFFSET + b0 * P.B_BATCH0 + b1 * P.B_BATCH1 + b2 * P.B_BATCH2;
  var bAt: array<i32, COLUMNS>;
  for (var j = 0; j < COLUMNS; j++) { bAt[j] = start + min(column + j * LANES, P.N - 1) * P.B_COLUMN; }
  var acc: array<array<f32, COLUMNS>, ROWS>;
  for (var k = 0; k < P.K; k++) {
    var y: array<f32, COLUMNS>;
    for (var j = 0; j < COLUMNS; j++) { y[j] = f32(b[u32(bAt[j] + k * P.B_ROW)]); }
    for (var h = 0; h < ROWS; h += LANES) {
      let mine = f32(a[u32(a0 + min(row + h + i32(lane), P.M - 1) * P.A_ROW + k * P.A_COLUMN)]);
      for (var i = 0; i < LANES; i++) {
        let x = subgroupShuffle(mine, u32(i));
        for (var j = 0; j < COLUMNS; j++) { acc[h + i][j] = fma(x, y[j], acc[h + i][j]); }
      }
    }
  }
  for (var i = 0; i < ROWS; i++) {
    for (var j = 0; j < COLUMNS; j++) {
      let n = column + j * LANES;
      let at = u32((batch * P.M + row + i) * P.N + n);
      if (row + i < P.M && n < P.N) { c[at] = finish(acc[i][j], at, u32(n)); }
    }
  }
}
`,
  matmul: `// C[b, m, n] = sum over k of A[b, m, k] B[b, k, n]; A and B are any strided views, C is contiguous.
// One invocation computes 8 rows by 4 columns; the columns of a workgroup's lanes are interleaved. No barriers, no workgroup
// memory, and no arrays (drivers that do not unroll loops keep those in memory): sound on every adapter.
struct Params {
  M: i32,
  N: i32,
  K: i32,
  BATCH1: i32,
  BATCH2: i32,
  A_OFFSET: i32,
  A_BATCH0: i32,
  A_BATCH1: i32,
  A_BATCH2: i32,
  A_ROW: i32,
  A_COLUMN: i32,
  B_OFFSET: i32,
  B_BATCH0: i32,
  B_BATCH1: i32,
  B_BATCH2: i32,
  B_ROW: i32,
  B_COLUMN: i32,
}

const LANES = 8;
const ROWS = 8;

@group(0) @binding(0) var<storage, read> a: array<In0>;
@group(0) @binding(1) var<storage, read> b: array<In1>;
@group(0) @binding(2) var<storage, read_write> c: array<Out>;
@group(0) @binding(3) var<uniform> P: Params;

// Where row r of A begins; rows past the end read the last one.
fn rowOfA(start: i32, r: i32) -> i32 { return start + min(r, P.M - 1) * P.A_ROW; }

fn columnOfB(start: i32, n: i32) -> i32 { return start + min(n, P.N - 1) * P.B_COLUMN; }

fn storeOne(row: i32, column: i32, value: f32) {
  if (column >= P.N) { return; }
  let at = u32(row * P.N + column);
  c[at] = finish(value, at, u32(column));
}

fn store(batch: i32, row: i32, column: i32, values: vec4f) {
  if (row >= P.M) { return; }
  let r = batch * P.M + row;
  storeOne(r, column, values.x);
  storeOne(r, column + LANES, values.y);
  storeOne(r, column + 2 * LANES, values.z);
  storeOne(r, column + 3 * LANES, values.w);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
  let batch = i32(tile.z);
  let b0 = batch / (P.BATCH1 * P.BATCH2);
  let b1 = (batch / P.BATCH2) % P.BATCH1;
  let b2 = batch % P.BATCH2;
  let row = i32(tile.y) * ROWS;
  let column = i32(tile.x) * LANES * 4 + i32(lane);
  let startA = P.A_OFFSET + b0 * P.A_BATCH0 + b1 * P.A_BATCH1 + b2 * P.A_BATCH2;
  let startB = P.B_OFFSET + b0 * P.B_BATCH0 + b1 * P.B_BATCH1 + b2 * P.B_BATCH2;
  var a0 = rowOfA(startA, row);
  var a1 = rowOfA(startA, row + 1);
  var a2 = rowOfA(startA, row + 2);
  var a3 = rowOfA(startA, row + 3);
  var a4 = rowOfA(startA, row + 4);
  var a5 = rowOfA(startA, row + 5);
  var a6 = rowOfA(startA, row + 6);
  var a7 = rowOfA(startA, row + 7);
  var bAt = vec4i(
    columnOfB(startB, column),
    columnOfB(startB, column + LANES),
    columnOfB(startB, column + 2 * LANES),
    columnOfB(startB, column + 3 * LANES),
  );
  var c0 = vec4f();
  var c1 = vec4f();
  var c2 = vec4f();
  var c3 = vec4f();
  var c4 = vec4f();
  var c5 = vec4f();
  var c6 = vec4f();
  var c7 = vec4f();
  for (var k = 0; k < P.K; k++) {
    let y = vec4f(f32(b[u32(bAt.x)]), f32(b[u32(bAt.y)]), f32(b[u32(bAt.z)]), f32(b[u32(bAt.w)]));
    c0 = fma(vec4f(f32(a[u32(a0)])), y, c0);
    c1 = fma(vec4f(f32(a[u32(a1)])), y, c1);
    c2 = fma(vec4f(f32(a[u32(a2)])), y, c2);
    c3 = fma(vec4f(f32(a[u32(a3)])), y, c3);
    c4 = fma(vec4f(f32(a[u32(a4)])), y, c4);
    c5 = fma(vec4f(f32(a[u32(a5)])), y, c5);
    c6 = fma(vec4f(f32(a[u32(a6)])), y, c6);
    c7 = fma(vec4f(f32(a[u32(a7)])), y, c7);
    bAt += P.B_ROW;
    a0 += P.A_COLUMN;
    a1 += P.A_COLUMN;
    a2 += P.A_COLUMN;
    a3 += P.A_COLUMN;
    a4 += P.A_COLUMN;
    a5 += P.A_COLUMN;
    a6 += P.A_COLUMN;
    a7 += P.A_COLUMN;
  }
  store(batch, row, column, c0);
  store(batch, row + 1, column, c1);
  store(batch, row + 2, column, c2);
  store(batch, row + 3, column, c3);
  store(batch, row + 4, column, c4);
  store(batch, row + 5, column, c5);
  store(batch, row + 6, column, c6);
  store(batch, row + 7, column, c7);
}
`,
  scatterAdd: `// y[r, :] = sum of the updates[i, :] with index[i] = r, in the order of i (no atomics: the same bits every time).
// One invocation an element of y.
struct Params {
  COUNT: u32,
  UPDATES: u32,
  WIDTH: u32,
  GRID: u32,
}

@group(0) @binding(0) var<storage, read> updates: array<In0>;
@group(0) @binding(1) var<storage, read> index: array<In1>;
@group(0) @binding(2) var<storage, read_write> y: array<Out>;
@group(0) @binding(3) var<uniform> P: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x + id.y * P.GRID;
  if (i >= P.COUNT) { return; }
  let row = i / P.WIDTH;
  let column = i % P.WIDTH;
  var total = 0.0;
  for (var u = 0u; u < P.UPDATES; u++) {
    if (u32(index[u]) == row) { total += f32(updates[u * P.WIDTH + column]); }
  }
  y[i] = finish(total, i, column);
}
`,
  softmax: `// y[r, :] = exp(x[r, :] - max) / sum; a row of WIDTH elements is one unit of work.
struct Params {
  UNITS: u32,
  GRID: u32,
  WIDTH: u32,
}

@group(0) @binding(0) var<storage, read> x: array<In0>;
@group(0) @binding(1) var<storage, read_write> y: array<Out>;
@group(0) @binding(2) var<uniform> P: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = unitOf(group, local, P.GRID);
  if (row >= P.UNITS) { return; }
  let lane = laneOf(local);
  let start = row * P.WIDTH;
  var largest = f32(x[start]);
  for (var i = lane; i < P.WIDTH; i += LANES) { largest = max(largest, f32(x[start + i])); }
  largest = highest(largest);
  var total = 0.0;
  for (var i = lane; i < P.WIDTH; i += LANES) { total += exp(f32(x[start + i]) - largest); }
  let scale = 1.0 / across(total);
  for (var i = lane; i < P.WIDTH; i += LANES) {
    y[start + i] = finish(exp(f32(x[start + i]) - largest) * scale, start + i, i);
  }
}
`,
  standardize: `// y[r, :] = (x[r, :] - mean) / sqrt(variance + EPSILON); a row of WIDTH elements is one unit of work.
struct Params {
  UNITS: u32,
  GRID: u32,
  WIDTH: u32,
  EPSILON: f32,
}

@group(0) @binding(0) var<storage, read> x: array<In0>;
@group(0) @binding(1) var<storage, read_write> y: array<Out>;
@group(0) @binding(2) var<uniform> P: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = unitOf(group, local, P.GRID);
  if (row >= P.UNITS) { return; }
  let lane = laneOf(local);
  let start = row * P.WIDTH;
  var total = 0.0;
  for (var i = lane; i < P.WIDTH; i += LANES) { total += f32(x[start + i]); }
  let mean = across(total) / f32(P.WIDTH);
  var squares = 0.0;
  for (var i = lane; i < P.WIDTH; i += LANES) {
    let d = f32(x[start + i]) - mean;
    squares = fma(d, d, squares);
  }
  let scale = inverseSqrt(across(squares) / f32(P.WIDTH) + P.EPSILON);
  for (var i = lane; i < P.WIDTH; i += LANES) {
    y[start + i] = finish((f32(x[start + i]) - mean) * scale, start + i, i);
  }
}
`,
  threefry: `// Threefry-2x32 with 20 rounds (Salmon et al., SC 2011): the first word of the cipher of (counter, 0) under a key.
fn threefry(key0: u32, key1: u32, counter: u32) -> u32 {
  var keys = array<u32, 3>(key0, key1, key0 ^ key1 ^ 0x1BD11BDAu);
  var turns = array<u32, 8>(13u, 15u, 26u, 6u, 17u, 29u, 16u, 24u);
  var x = counter + keys[0];
  var y = keys[1];
  for (var round = 0u; round < 20u; round++) {
    let turn = turns[round % 8u];
    x += y;
    y = ((y << turn) | (y >> (32u - turn))) ^ x;
    if (round % 4u == 3u) {
      let s = round / 4u + 1u;
      x += keys[s % 3u];
      y += keys[(s + 1u) % 3u] + s;
    }
  }
  return x;
}
`,
  topK: `// Indices of the K largest of each row of WIDTH, largest first, the lower index first among equals.
// One invocation a row; each pass finds the next in that order. NaN counts as smallest.
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
  var last: In0;
  var lastAt = P.WIDTH;
  for (var k = 0u; k < P.K; k++) {
    var best: In0;
    var bestAt = P.WIDTH;
    for (var i = 0u; i < P.WIDTH; i++) {
      let v = x[start + i];
      let follows = k == 0u || v < last || (v == last && i > lastAt);
      if (follows && (bestAt == P.WIDTH || v > best)) {
        best = v;
        bestAt = i;
      }
    }
    last = best;
    lastAt = bestAt;
    y[row * P.K + k] = Out(bestAt);
  }
}
`,
  unfold: `// Windows of an image: y[n, c, p, q, i, j] = x[n, c, i * STRIDE + p - PADDING, j * STRIDE + q - PADDING], zero outside.
// x [N, C, H, W], y [N, C, SIZE_Y, SIZE_X, OUT_Y, OUT_X]; one invocation an element of y.
struct Params {
  COUNT: u32,
  H: i32,
  W: i32,
  SIZE_Y: u32,
  SIZE_X: u32,
  OUT_Y: u32,
  OUT_X: u32,
  STRIDE: i32,
  PADDING: i32,
  GRID: u32,
}

@group(0) @binding(0) var<storage, read> x: array<In0>;
@group(0) @binding(1) var<storage, read_write> y: array<Out>;
@group(0) @binding(2) var<uniform> P: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let at = id.x + id.y * P.GRID;
  if (at >= P.COUNT) { return; }
  let j = at % P.OUT_X;
  let i = (at / P.OUT_X) % P.OUT_Y;
  let q = (at / (P.OUT_X * P.OUT_Y)) % P.SIZE_X;
  let p = (at / (P.OUT_X * P.OUT_Y * P.SIZE_X)) % P.SIZE_Y;
  let image = i32(at / (P.OUT_X * P.OUT_Y * P.SIZE_X * P.SIZE_Y));
  let row = i32(i) * P.STRIDE + i32(p) - P.PADDING;
  let column = i32(j) * P.STRIDE + i32(q) - P.PADDING;
  if (row >= 0 && row < P.H && column >= 0 && column < P.W) {
    y[at] = x[u32((image * P.H + row) * P.W + column)];
  } else {
    y[at] = Out(0);
  }
}
`,
} as const;
