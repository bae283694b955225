// o[i, h, :] = sum over the keys j that query i sees of softmax(SCALE q[i, h]·k[j, h])_j v[j, h, :].
// Query i sees the keys of two spans, [spans[i, 0], spans[i, 1]) and [spans[i, 2], spans[i, 3]). LANES invocations
// share one query and head, each holds every LANES-th piece (one number or four, as the text before this says); scores
// are never stored: a running maximum rescales.
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
@group(0) @binding(3) var<storage, read> spans: array<In3>;
@group(0) @binding(4) var<storage, read_write> o: array<OutPiece>;
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
  var query: array<Piece, OWN>;
  for (var c = 0u; c < OWN; c++) {
    let d = c * LANES + lane;
    query[c] = select(Piece(), Piece(q[qAt + min(d, PIECES - 1u) * P.Q_DIM]) * P.SCALE, d < PIECES);
  }
  var mixed: array<Piece, VALUE_OWN>;
  var largest = -3.0e38;
  var total = 0.0;
  for (var s = 0u; s < 4u; s += 2u) {
    let end = u32(spans[4u * i + s + 1u]);
    for (var j = u32(spans[4u * i + s]); j < end; j++) {
      var part = Piece();
      for (var c = 0u; c < OWN; c++) {
        part = fma(query[c], Piece(k[kAt + j * P.K_ROW + min(c * LANES + lane, PIECES - 1u) * P.K_DIM]), part);
      }
      let score = across(sumOf(part));
      let higher = max(largest, score);
      let kept = exp(largest - higher);
      let weight = exp(score - higher);
      largest = higher;
      total = fma(total, kept, weight);
      for (var c = 0u; c < VALUE_OWN; c++) {
        let value = Piece(v[vAt + j * P.V_ROW + min(c * LANES + lane, VALUE_PIECES - 1u) * P.V_DIM]);
        mixed[c] = fma(mixed[c], Piece(kept), weight * value);
      }
    }
  }
  for (var c = 0u; c < VALUE_OWN; c++) {
    let e = c * LANES + lane;
    if (e < VALUE_PIECES) { o[unit * VALUE_PIECES + e] = finished(mixed[c] / total, unit * VALUE_PIECES + e, e); }
  }
}
