// Philox4x32-10 (Salmon et al., SC 2011): counter-based random words. Twin of capacity/engine/random.py, which says
// how counters are laid out.
#pragma once

#include "namespace.h"

namespace cap {
namespace CAP_PATH {

constexpr uint32_t kPurposeOrder = 2, kPurposeSubset = 3, kPurposeWindow = 6;

// words[0..3] of the counter (index, stream, purpose) under the key `seed`.
CAP_INLINE void philox4x32(uint64_t seed, uint32_t purpose, uint32_t stream, uint64_t index, uint32_t* words) {
  uint32_t c0 = uint32_t(index), c1 = uint32_t(index >> 32), c2 = stream, c3 = purpose;
  uint32_t k0 = uint32_t(seed), k1 = uint32_t(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t(0xD2511F53u) * c0, p1 = uint64_t(0xCD9E8D57u) * c2;
    c0 = uint32_t(p1 >> 32) ^ c1 ^ k0;
    c1 = uint32_t(p1);
    c2 = uint32_t(p0 >> 32) ^ c3 ^ k1;
    c3 = uint32_t(p0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
}

}  // namespace CAP_PATH
}  // namespace cap
