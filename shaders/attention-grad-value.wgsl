// dv[j, h, :] = sum over the queries i that see key j of exp(SCALE q[i, h]·k[j, h] - lse[i, h]) g[i, h, :].
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

@group(0) @binding(0) var<storage, read> q: array<Piece0>;
@group(0) @binding(1) var<storage, read> k: array<Piece1>;
@group(0) @binding(2) var<storage, read> g: array<Piece2>;
@group(0) @binding(3) var<storage, read> lse: array<In3>;
@group(0) @binding(4) var<storage, read> readers: array<In4>;
@group(0) @binding(5) var<storage, read_write> dv: array<OutPiece>;
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
  var key: array<Piece, OWN>;
  for (var c = 0u; c < OWN; c++) {
    let d = c * LANES + lane;
    key[c] = select(Piece(), Piece(k[kAt + min(d, PIECES - 1u) * P.K_DIM]) * P.SCALE, d < PIECES);
  }
  var sum: array<Piece, VALUE_OWN>;
  for (var s = 0u; s < 4u; s += 2u) {
    let end = u32(readers[4u * j + s + 1u]);
    for (var i = u32(readers[4u * j + s]); i < end; i++) {
      let at = i * P.HEADS + h;
      var part = Piece();
      for (var c = 0u; c < OWN; c++) {
        part = fma(Piece(q[qAt + i * P.Q_ROW + min(c * LANES + lane, PIECES - 1u) * P.Q_DIM]), key[c], part);
      }
      let weight = exp(across(sumOf(part)) - f32(lse[at]));
      for (var c = 0u; c < VALUE_OWN; c++) {
        sum[c] = fma(Piece(weight), Piece(g[at * VALUE_PIECES + min(c * LANES + lane, VALUE_PIECES - 1u)]), sum[c]);
      }
    }
  }
  for (var c = 0u; c < VALUE_OWN; c++) {
    let e = c * LANES + lane;
    if (e < VALUE_PIECES) { dv[unit * VALUE_PIECES + e] = finished(sum[c], unit * VALUE_PIECES + e, e); }
  }
}
