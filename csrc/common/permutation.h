// A keyed bijection of [0, n): an epoch's order, computed where it is needed and stored nowhere. Alternating Feistel
// network with cycle walking; twin of permutation() in capacity/engine/random.py.
#pragma once

#include "philox.h"

namespace cap {

constexpr int kFeistelRounds = 8;

struct Permutation {
  uint32_t keys[kFeistelRounds];
  uint64_t n = 0;
  uint32_t left_mask = 0, right_mask = 0;
  int right_bits = 0;
};

namespace CAP_PATH {

CAP_INLINE uint32_t mix(uint32_t value, uint32_t key) {  // the finaliser of MurmurHash3
  uint32_t h = value ^ key;
  h = (h ^ (h >> 16)) * 0x85EBCA6Bu;
  h = (h ^ (h >> 13)) * 0xC2B2AE35u;
  return h ^ (h >> 16);
}

CAP_INLINE Permutation make_permutation(uint64_t seed, uint32_t epoch, uint64_t n) {
  Permutation p;
  for (int i = 0; i < kFeistelRounds; i += 4) philox4x32(seed, kPurposeOrder, epoch, uint64_t(i / 4), p.keys + i);
  int bits = 0;
  while (bits < 63 && (uint64_t(1) << bits) < n) ++bits;
  p.n = n;
  p.right_bits = (bits + 1) / 2;
  p.left_mask = uint32_t((uint64_t(1) << (bits - p.right_bits)) - 1);
  p.right_mask = uint32_t((uint64_t(1) << p.right_bits) - 1);
  return p;
}

// One pass through the network; both halves have at most 32 bits.
CAP_INLINE uint64_t feistel(const Permutation& p, uint64_t position) {
  uint32_t left = uint32_t(position >> p.right_bits), right = uint32_t(position) & p.right_mask;
  for (int i = 0; i < kFeistelRounds; i += 2) {
    right ^= mix(left, p.keys[i]) & p.right_mask;
    left ^= mix(right, p.keys[i + 1]) & p.left_mask;
  }
  return uint64_t(left) << p.right_bits | right;
}

// out[i] <- the image of first + i (< n), i < count. Passes are vectorised; fewer than two are needed on average.
CAP_INLINE void permute(const Permutation& p, uint64_t first, int64_t count, int64_t* out) {
  for (int64_t i = 0; i < count; ++i) out[i] = int64_t(feistel(p, first + uint64_t(i)));
  for (int64_t i = 0; i < count; ++i) {
    while (uint64_t(out[i]) >= p.n) out[i] = int64_t(feistel(p, uint64_t(out[i])));
  }
}

}  // namespace CAP_PATH
}  // namespace cap
