// dk[j, h, :] = SCALE times the sum over the queries i that see key j of w (g[i, h]·v[j, h] - delta[i, h]) q[i, h, :],
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

@group(0) @binding(0) var<storage, read> q: array<Piece0>;
@group(0) @binding(1) var<storage, read> k: array<Piece1>;
@group(0) @binding(2) var<storage, read> v: array<Piece2>;
@group(0) @binding(3) var<storage, read> g: array<Piece3>;
@group(0) @binding(4) var<storage, read> lse: array<In4>;
@group(0) @binding(5) var<storage, read> delta: array<In5>;
@group(0) @binding(6) var<storage, read> readers: array<In6>;
@group(0) @binding(7) var<storage, read_write> dk: array<OutPiece>;
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
  var key: array<Piece, OWN>;
  for (var c = 0u; c < OWN; c++) {
    let d = c * LANES + lane;
    key[c] = select(Piece(), Piece(k[kAt + min(d, PIECES - 1u) * P.K_DIM]) * P.SCALE, d < PIECES);
  }
  var value: array<Piece, VALUE_OWN>;
  for (var c = 0u; c < VALUE_OWN; c++) {
    let e = c * LANES + lane;
    value[c] = select(Piece(), Piece(v[vAt + min(e, VALUE_PIECES - 1u) * P.V_DIM]), e < VALUE_PIECES);
  }
  var sum: array<Piece, OWN>;
  for (var s = 0u; s < 4u; s += 2u) {
    let end = u32(readers[4u * j + s + 1u]);
    for (var i = u32(readers[4u * j + s]); i < end; i++) {
      let at = i * P.HEADS + h;
      var query: array<Piece, OWN>;
      var part = Piece();
      var partAbove = Piece();
      for (var c = 0u; c < OWN; c++) {
        query[c] = Piece(q[qAt + i * P.Q_ROW + min(c * LANES + lane, PIECES - 1u) * P.Q_DIM]);
        part = fma(query[c], key[c], part);
      }
      for (var c = 0u; c < VALUE_OWN; c++) {
        partAbove = fma(Piece(g[at * VALUE_PIECES + min(c * LANES + lane, VALUE_PIECES - 1u)]), value[c], partAbove);
      }
      let weight = exp(across(sumOf(part)) - f32(lse[at]));
      let slope = weight * (across(sumOf(partAbove)) - f32(delta[at]));
      for (var c = 0u; c < OWN; c++) { sum[c] = fma(Piece(slope), query[c], sum[c]); }
    }
  }
  for (var c = 0u; c < OWN; c++) {
    let d = c * LANES + lane;
    if (d < PIECES) { dk[unit * PIECES + d] = finished(sum[c] * P.SCALE, unit * PIECES + d, d); }
  }
}
