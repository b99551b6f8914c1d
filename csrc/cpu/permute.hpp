// The keyed permutation for many positions at once.
#pragma once

#include <type_traits>

#include "../common/permutation.h"

namespace cap {
namespace CAP_PATH {

constexpr int kPermuted = 64;  // positions at once

// at[i] (< n) <- its image, i < count <= kPermuted. Where n < 2^32, all positions pass the network together until the
// last is through: passes are vectors of 32-bit words, and of the positions fewer than half are left after each.
CAP_INLINE void permute(const Permutation& p, int count, int64_t* at) {
  if (p.n > 0xFFFFFFFF) {
    for (int i = 0; i < count; ++i) at[i] = permute(p, at[i]);
    return;
  }
  const uint32_t n = uint32_t(p.n), bits = uint32_t(p.right_bits), mask = p.right_mask;
  const int whole = (count + 15) / 16 * 16;
  uint32_t now[kPermuted] = {};
  for (int i = 0; i < count; ++i) now[i] = uint32_t(at[i]);
  const auto pass = [&](auto again) {
    uint32_t outside = 0;
    for (int i = 0; i < whole; ++i) {
      uint32_t left = now[i] >> bits, right = now[i] & mask;
      feistel(p, left, right);
      const uint32_t next = left << bits | right;
      now[i] = again && now[i] < n ? now[i] : next;
      outside |= now[i] >= n ? 1u : 0u;
    }
    return outside != 0;
  };
  for (bool again = pass(std::false_type()); again;) again = pass(std::true_type());
  for (int i = 0; i < count; ++i) at[i] = now[i];
}

}  // namespace CAP_PATH
}  // namespace cap
