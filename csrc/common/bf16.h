// bfloat16: the upper half of a float32.
#pragma once

#include "namespace.h"

namespace cap {
namespace CAP_PATH {

// The bits of the bfloat16 nearest to x, ties to even, in the lower half. Infinity stays, and NaN stays NaN. What is
// smaller than the smallest normal number is 0 with its sign, as for the instructions of AVX512_BF16.
CAP_INLINE uint32_t bf16_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  const uint32_t magnitude = bits & 0x7fffffffu, upper = bits >> 16;
  const uint32_t rounded = (bits + 0x7fffu + (upper & 1u)) >> 16;
  return magnitude > 0x7f800000u ? upper | 0x40u : magnitude < 0x00800000u ? upper & 0x8000u : rounded;
}

}  // namespace CAP_PATH
}  // namespace cap
