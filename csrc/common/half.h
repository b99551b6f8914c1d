// float16 (binary16 of IEEE 754): a sign, 5 bits of exponent with the bias 15, 10 bits of fraction.
#pragma once

#include "namespace.h"

namespace cap {

// One as it is stored.
struct Half {
  uint16_t bits;
};

namespace CAP_PATH {

// The same number; every float16 is a float32. Exponent and fraction move to their places in a float32 and the bias is
// mended: by 112 more, or 224 for infinity and NaN. What is denormal becomes 2^-14 too much, and loses that: so nothing
// here is ever a denormal float32, which processors handle slowly, or take for 0 where a library has told them to.
CAP_INLINE float value_of(Half stored) {
  const uint32_t magnitude = uint32_t(stored.bits & 0x7fffu) << 13, sign = uint32_t(stored.bits & 0x8000u) << 16;
  const bool denormal = magnitude < 1u << 23, special = magnitude >= 31u << 23;
  const uint32_t moved = magnitude + (special ? 224u << 23 : denormal ? 113u << 23 : 112u << 23);
  float value;
  memcpy(&value, &moved, sizeof value);
  value -= denormal ? 0x1p-14f : 0.0f;
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  bits |= sign;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// What is stored as numbers that the language knows.
template <class S>
CAP_INLINE S value_of(S stored) {
  return stored;
}

}  // namespace CAP_PATH
}  // namespace cap
