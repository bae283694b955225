// C[b, m, n] = sum over k of A[b, m, k] B[b, k, n]; A and B are any strided views, C is contiguous.
// For CPU drivers that run a subgroup as one vector of 8 lanes, where a load costs more than the products it serves.
// A subgroup computes 32 rows by 32 columns, four k at a time: lane l loads rows and columns 4 l to 4 l + 3, and rows
// reach the other lanes as broadcasts, so that 32 loads serve 512 products. The sums lie in private memory, and so in
// the first-level cache. No barriers, no workgroup memory.
//
// Before this text stand, for A and likewise for B,
//   const A_READS: what an element of the buffer holds: one number (SINGLE), four k of one row or column (ALONG_K), or
//                  four rows or columns at one k (ACROSS_K);
//   alias AElement: In0 where that is one number, else vec4<In0>;
//   fn floatA: an element as four floats, the first of them where it is one number.
// Strides and offsets count elements.
const SINGLE = 0;
const ALONG_K = 1;
const ACROSS_K = 2;

struct Params {
  M: u32,
  N: u32,
  K: u32,
  BATCH1: u32,
  BATCH2: u32,
  A_OFFSET: u32,
  A_BATCH0: u32,
  A_BATCH1: u32,
  A_BATCH2: u32,
  A_ROW: u32,
  A_COLUMN: u32,
  B_OFFSET: u32,
  B_BATCH0: u32,
  B_BATCH1: u32,
  B_BATCH2: u32,
  B_ROW: u32,
  B_COLUMN: u32,
}

const TILE = 32u;
const FOUR = vec4u(0, 1, 2, 3);
const WHOLE_STEPS = A_READS == ALONG_K || B_READS == ALONG_K; // K is a multiple of 4 then

@group(0) @binding(0) var<storage, read> a: array<AElement>;
@group(0) @binding(1) var<storage, read> b: array<BElement>;
@group(0) @binding(2) var<storage, read_write> c: array<Out>;
@group(0) @binding(3) var<uniform> P: Params;

fn a4(i: vec4u) -> mat4x4f { return mat4x4f(floatA(a[i.x]), floatA(a[i.y]), floatA(a[i.z]), floatA(a[i.w])); }

fn b4(i: vec4u) -> mat4x4f { return mat4x4f(floatB(b[i.x]), floatB(b[i.y]), floatB(b[i.z]), floatB(b[i.w])); }

fn singles(m: mat4x4f) -> vec4f { return vec4f(m[0].x, m[1].x, m[2].x, m[3].x); }

// Four rows of A at four k; a column of the result is one k.
fn loadA(at: vec4u, k: u32) -> mat4x4f {
  if (A_READS == ALONG_K) { return transpose(a4(at + k / 4)); }
  let step = min(k + FOUR, vec4u(P.K - 1)) * P.A_COLUMN;
  if (A_READS == ACROSS_K) { return withoutEnd(a4(at.x + step), k); }
  let x = mat4x4f(singles(a4(at + step.x)), singles(a4(at + step.y)), singles(a4(at + step.z)), singles(a4(at + step.w)));
  return withoutEnd(x, k);
}

// Four columns of B at four k; a column of the result is one k.
fn loadB(at: vec4u, k: u32) -> mat4x4f {
  if (B_READS == ALONG_K) { return transpose(b4(at + k / 4)); }
  let step = min(k + FOUR, vec4u(P.K - 1)) * P.B_ROW;
  if (B_READS == ACROSS_K) { return withoutEnd(b4(at.x + step), k); }
  let y = mat4x4f(singles(b4(at + step.x)), singles(b4(at + step.y)), singles(b4(at + step.z)), singles(b4(at + step.w)));
  return withoutEnd(y, k);
}

fn withoutEnd(x: mat4x4f, k: u32) -> mat4x4f {
  if (WHOLE_STEPS) { return x; }
  let inside = k + FOUR < vec4u(P.K);
  return mat4x4f(
    x[0],
    select(vec4f(), x[1], inside.y),
    select(vec4f(), x[2], inside.z),
    select(vec4f(), x[3], inside.w),
  );
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let b0 = tile.z / (P.BATCH1 * P.BATCH2);
  let b1 = (tile.z / P.BATCH2) % P.BATCH1;
  let b2 = tile.z % P.BATCH2;
  let startA = P.A_OFFSET + b0 * P.A_BATCH0 + b1 * P.A_BATCH1 + b2 * P.A_BATCH2;
  let startB = P.B_OFFSET + b0 * P.B_BATCH0 + b1 * P.B_BATCH1 + b2 * P.B_BATCH2;
  let top = tile.y * TILE;
  let row = top + 4 * lane;
  let column = tile.x * TILE + 4 * lane;
  var aAt = startA + min(row + FOUR, vec4u(P.M - 1)) * P.A_ROW;
  var bAt = startB + min(column + FOUR, vec4u(P.N - 1)) * P.B_COLUMN;
  if (A_READS == ACROSS_K) { aAt = vec4u(startA + min(row, P.M - 1) / 4); }
  if (B_READS == ACROSS_K) { bAt = vec4u(startB + min(column, P.N - 1) / 4); }
  var sums: array<vec4f, TILE>;
  for (var k = 0u; k < P.K; k += 4) {
    let y = loadB(bAt, k);
    let x = transpose(loadA(aAt, k));
    for (var i = 0u; i < 4; i++) {
      sums[i] += y * subgroupBroadcast(x[i], 0);
      sums[i + 4] += y * subgroupBroadcast(x[i], 1);
      sums[i + 8] += y * subgroupBroadcast(x[i], 2);
      sums[i + 12] += y * subgroupBroadcast(x[i], 3);
      sums[i + 16] += y * subgroupBroadcast(x[i], 4);
      sums[i + 20] += y * subgroupBroadcast(x[i], 5);
      sums[i + 24] += y * subgroupBroadcast(x[i], 6);
      sums[i + 28] += y * subgroupBroadcast(x[i], 7);
    }
  }
  for (var i = 0u; i < min(TILE, P.M - top); i++) {
    let at = (tile.z * P.M + top + i) * P.N + column;
    for (var j = 0u; j < 4; j++) {
      if (column + j < P.N) { c[at + j] = finish(sums[i][j], at + j, column + j); }
    }
  }
}
