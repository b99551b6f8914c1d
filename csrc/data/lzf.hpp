// LZF, the compression of h5py's filter 32000 (the format of M. Lehmann's LibLZF): decoding, from and to known lengths.
//
// A block is a sequence of runs. A first byte c < 32 is followed by c + 1 bytes as they are. Any other c is a
// repetition of what was decoded before: c >> 5 is its length less 2 (7: the next byte is added), and the lower five
// bits of c and the next byte are the distance back less 1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "copy.hpp"

namespace cap::data {

// Copies at least n bytes, 32 at a time where both ends have room for it; what lies behind n is decoded later.
inline void copy_run(uint8_t* to, const uint8_t* to_end, const uint8_t* from, const uint8_t* from_end, size_t n) {
  if (size_t(to_end - to) >= 32 && size_t(from_end - from) >= 32) {  // a run has at most 32 bytes
    std::memcpy(to, from, 32);
    return;
  }
  std::memcpy(to, from, n);
}

// Decodes in (length,) to out (room,); false unless the block is whole and fills `out` exactly.
inline bool lzf_decode(const uint8_t* in, size_t length, uint8_t* out, size_t room) {
  const uint8_t* const in_end = in + length;
  uint8_t* const begin = out;
  uint8_t* const end = out + room;
  while (in < in_end) {
    const size_t control = *in++;
    if (control < 32) {
      const size_t n = control + 1;
      if (size_t(in_end - in) < n || size_t(end - out) < n) return false;
      copy_run(out, end, in, in_end, n);
      in += n;
      out += n;
      continue;
    }
    size_t n = control >> 5;
    if (n == 7) {
      if (in == in_end) return false;
      n += *in++;
    }
    n += 2;
    if (in == in_end) return false;
    const size_t distance = ((control & 31) << 8 | *in++) + 1;
    if (size_t(out - begin) < distance || size_t(end - out) < n) return false;
    repeat(out, end, distance, n);
    out += n;
  }
  return out == end;
}

}  // namespace cap::data
