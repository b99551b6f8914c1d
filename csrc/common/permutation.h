// A keyed bijection of [0, n): the order of an epoch or of a window of one, or a subset, computed where it is needed
// and stored nowhere. Alternating Feistel network with cycle walking; twin of permutation() in
// capacity/engine/random.py.
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

CAP_INLINE Permutation make_permutation(uint64_t seed, uint32_t purpose, uint32_t stream, uint64_t n) {
  Permutation p;
  for (int i = 0; i < kFeistelRounds; i += 4) philox4x32(seed, purpose, stream, uint64_t(i / 4), p.keys + i);
  int bits = 0;
  while (bits < 63 && (uint64_t(1) << bits) < n) ++bits;
  p.n = n;
  p.right_bits = (bits + 1) / 2;
  p.left_mask = uint32_t((uint64_t(1) << (bits - p.right_bits)) - 1);
  p.right_mask = uint32_t((uint64_t(1) << p.right_bits) - 1);
  return p;
}

// The subset of n of N rows that belongs to a seed: position p < n stands for the image of p in [0, N). All rows are
// taken as they are stored: then `n` is 0, and there is nothing to apply.
CAP_INLINE Permutation make_subset(uint64_t seed, int64_t n, int64_t N) {
  return n < N ? make_permutation(seed, kPurposeSubset, 0, uint64_t(N)) : Permutation();
}

// One pass through the network; both halves have at most 32 bits.
CAP_INLINE void feistel(const Permutation& p, uint32_t& left, uint32_t& right) {
  for (int i = 0; i < kFeistelRounds; i += 2) {
    right ^= mix(left, p.keys[i]) & p.right_mask;
    left ^= mix(right, p.keys[i + 1]) & p.left_mask;
  }
}

// The image of `position` (< n): the network is passed until it gives something below n.
CAP_INLINE int64_t permute(const Permutation& p, int64_t position) {
  uint64_t at = uint64_t(position);
  do {
    uint32_t left = uint32_t(at >> p.right_bits), right = uint32_t(at) & p.right_mask;
    feistel(p, left, right);
    at = uint64_t(left) << p.right_bits | right;
  } while (at >= p.n);
  return int64_t(at);
}

}  // namespace CAP_PATH
}  // namespace cap
