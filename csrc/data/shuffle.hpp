// HDF5's shuffle filter undone. It stores the first bytes of all elements, then their second bytes, and so on; bytes
// that fill no element follow as they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace cap::data {

template <size_t W>
void unshuffle_width(const uint8_t* in, size_t count, uint8_t* out) {
  for (size_t i = 0; i < count; ++i) {
    for (size_t byte = 0; byte < W; ++byte) out[i * W + byte] = in[byte * count + i];
  }
}

// in (length,) to out (length,), elements of `width` bytes; the two may not overlap.
inline void unshuffle(const uint8_t* __restrict in, size_t length, size_t width, uint8_t* __restrict out) {
  if (length == 0) return;
  const size_t count = width > 1 ? length / width : 0;
  if (count < 2) {
    std::memcpy(out, in, length);
    return;
  }
  switch (width) {
    case 2:
      unshuffle_width<2>(in, count, out);
      break;
    case 4:
      unshuffle_width<4>(in, count, out);
      break;
    case 8:
      unshuffle_width<8>(in, count, out);
      break;
    default:
      for (size_t byte = 0; byte < width; ++byte) {
        for (size_t i = 0; i < count; ++i) out[i * width + byte] = in[byte * count + i];
      }
  }
  std::memcpy(out + count * width, in + count * width, length - count * width);
}

}  // namespace cap::data
