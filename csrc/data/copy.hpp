// Repetitions of what was decoded before, as LZF and deflate have them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace cap::data {

// Repeats n bytes from `distance` before `to`; the two may overlap, and then what is written is read again. Where there
// is room for it before `to_end`, up to 15 bytes behind the n are written too: they are decoded later.
inline void repeat(uint8_t* to, const uint8_t* to_end, size_t distance, size_t n) {
  const uint8_t* from = to - distance;
  if (distance >= 16 && size_t(to_end - to) >= n + 16) {
    for (size_t at = 0; at < n; at += 16) std::memcpy(to + at, from + at, 16);
  } else if (distance >= 8 && size_t(to_end - to) >= n + 8) {
    for (size_t at = 0; at < n; at += 8) std::memcpy(to + at, from + at, 8);
  } else if (distance == 1) {
    std::memset(to, *from, n);
  } else {
    for (size_t at = 0; at < n; ++at) to[at] = from[at];
  }
}

}  // namespace cap::data
