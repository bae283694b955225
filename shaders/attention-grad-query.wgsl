// dq[i, h, :] = SCALE times the sum over the keys j that query i sees of w (g[i, h]·v[j, h] - delta[i, h]) k[j, h, :],
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

@group(0) @binding(0) var<storage, read> q: array<Piece0>;
@group(0) @binding(1) var<storage, read> k: array<Piece1>;
@group(0) @binding(2) var<storage, read> v: array<Piece2>;
@group(0) @binding(3) var<storage, read> g: array<Piece3>;
@group(0) @binding(4) var<storage, read> lse: array<In4>;
@group(0) @binding(5) var<storage, read> delta: array<In5>;
@group(0) @binding(6) var<storage, read> spans: array<In6>;
@group(0) @binding(7) var<storage, read_write> dq: array<OutPiece>;
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
  var query: array<Piece, OWN>;
  for (var c = 0u; c < OWN; c++) {
    let d = c * LANES + lane;
    query[c] = select(Piece(), Piece(q[qAt + min(d, PIECES - 1u) * P.Q_DIM]) * P.SCALE, d < PIECES);
  }
  var above: array<Piece, VALUE_OWN>;
  for (var c = 0u; c < VALUE_OWN; c++) {
    let e = c * LANES + lane;
    above[c] = select(Piece(), Piece(g[unit * VALUE_PIECES + min(e, VALUE_PIECES - 1u)]), e < VALUE_PIECES);
  }
  var sum: array<Piece, OWN>;
  for (var s = 0u; s < 4u; s += 2u) {
    let end = u32(spans[4u * i + s + 1u]);
    for (var j = u32(spans[4u * i + s]); j < end; j++) {
      var key: array<Piece, OWN>;
      var part = Piece();
      var partAbove = Piece();
      for (var c = 0u; c < OWN; c++) {
        key[c] = Piece(k[kAt + j * P.K_ROW + min(c * LANES + lane, PIECES - 1u) * P.K_DIM]);
        part = fma(query[c], key[c], part);
      }
      for (var c = 0u; c < VALUE_OWN; c++) {
        let value = Piece(v[vAt + j * P.V_ROW + min(c * LANES + lane, VALUE_PIECES - 1u) * P.V_DIM]);
        partAbove = fma(above[c], value, partAbove);
      }
      let weight = exp(across(sumOf(part)) - f32(lse[unit]));
      let slope = weight * (across(sumOf(partAbove)) - f32(delta[unit]));
      for (var c = 0u; c < OWN; c++) { sum[c] = fma(Piece(slope), key[c], sum[c]); }
    }
  }
  for (var c = 0u; c < OWN; c++) {
    let d = c * LANES + lane;
    if (d < PIECES) { dq[unit * PIECES + d] = finished(sum[c] * P.SCALE, unit * PIECES + d, d); }
  }
}
