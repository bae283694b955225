// lse[i, h] = log of the sum over the keys j that query i sees of exp(SCALE q[i, h]·k[j, h]): what the gradients of
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

@group(0) @binding(0) var<storage, read> q: array<Piece0>;
@group(0) @binding(1) var<storage, read> k: array<Piece1>;
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
  var query: array<Piece, OWN>;
  for (var c = 0u; c < OWN; c++) {
    let d = c * LANES + lane;
    query[c] = select(Piece(), Piece(q[qAt + min(d, PIECES - 1u) * P.Q_DIM]) * P.SCALE, d < PIECES);
  }
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
      total = fma(total, exp(largest - higher), exp(score - higher));
      largest = higher;
    }
  }
  if (lane == 0u) { lse[unit] = finish(largest + log(total), unit, h); }
}
