// Threefry-2x32 with 20 rounds (Salmon et al., SC 2011): the first word of the cipher of (counter, 0) under a key.
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
