// Reductions over the 32 threads of a warp, in a fixed order (a butterfly): every lane gets the same result, the same
// on every run. All lanes must take part.
#pragma once

#include "namespace.h"

#ifndef CAP_SHUFFLE_XOR
#define CAP_SHUFFLE_XOR(value, mask) __shfl_xor_sync(0xFFFFFFFFu, value, mask)
#endif

namespace cap {
namespace CAP_PATH {

constexpr int kWarp = 32;

template <class T>
CAP_INLINE T warp_sum(T value) {
  for (int mask = kWarp / 2; mask > 0; mask /= 2) value += CAP_SHUFFLE_XOR(value, mask);
  return value;
}

// A NaN may be passed over.
template <class T>
CAP_INLINE T warp_max(T value) {
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    const T other = CAP_SHUFFLE_XOR(value, mask);
    value = other > value ? other : value;
  }
  return value;
}

}  // namespace CAP_PATH
}  // namespace cap
