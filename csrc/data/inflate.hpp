// Deflate in zlib's wrapping (RFC 1951 and 1950), which HDF5's gzip filter stores: decoding, from and to known lengths.
//
// zlib does this too, but Python's binding of it either trusts the data with the size of what comes out, or puts that
// together from pieces. Here it goes to its place at once. A code is looked up by its first bits, in a table that leads
// on to smaller ones where it is longer; a word of 64 bits holds what is next.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "copy.hpp"

namespace cap::data {

enum class Inflated { whole, cut_off, too_long, too_short, wrong, wrong_sum };

namespace deflate {

constexpr int kLongest = 15;  // bits of a code
constexpr int kSymbols = 288, kDistances = 32, kLengthCodes = 19;
constexpr int kSymbolBits = 11, kDistanceBits = 8, kLengthCodeBits = 7;  // that are looked up at first
// With these bits no complete code needs more (zlib's examples/enough.c).
constexpr int kSymbolEntries = 2342, kDistanceEntries = 402, kLengthCodeEntries = 128;

// An entry: bits of the code (0..7), extra bits or bits of the table it leads to (8..15), value or place (16..27),
// flags.
constexpr uint32_t kLiteral = 1u << 31, kTable = 1u << 30, kEnd = 1u << 29, kInvalid = 1u << 28;

constexpr uint16_t kLengthBase[] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                    31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
constexpr uint8_t kLengthExtra[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                    2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
constexpr uint8_t kOrder[] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};

// Bytes as a stream of bits, the lowest first. Behind the end it goes on with zeros, and counts them.
struct Bits {
  const uint8_t* in;
  const uint8_t* end;
  uint64_t word = 0;
  int count = 0;   // of the bits of `word` that are good
  int beyond = 0;  // bytes behind the end

  void refill() {  // to 56 bits at least
    if (end - in >= 8) {
      uint64_t next = 0;
      std::memcpy(&next, in, 8);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
      next = __builtin_bswap64(next);
#endif
      word |= next << count;
      in += (63 - count) >> 3;
      count |= 56;
      return;
    }
    for (; count < 56; count += 8) {
      if (in < end) {
        word |= uint64_t(*in++) << count;
      } else {
        ++beyond;
      }
    }
  }

  void drop(int n) {
    word >>= n;
    count -= n;
  }

  uint32_t take(int n) {  // n <= 16, after a refill
    const uint32_t value = uint32_t(word & ((uint64_t(1) << n) - 1));
    drop(n);
    return value;
  }

  bool overrun() const { return beyond * 8 > count; }

  // Goes on at the next whole byte; false behind the end.
  bool to_bytes() {
    drop(count & 7);
    if (overrun()) return false;
    in -= count / 8 - beyond;
    word = 0;
    count = beyond = 0;
    return true;
  }
};

inline uint32_t reversed(uint32_t code, int length) {
  uint32_t value = 0;
  for (int i = 0; i < length; ++i) value |= (code >> i & 1) << (length - 1 - i);
  return value;
}

// Makes the table of a canonical code from the lengths of its n symbols, 0 for those that are not used. False where
// there is no such code, or it leaves bits without meaning; but a single symbol of one bit is a code, and so is none at
// all.
template <class Entry>
bool build(const uint8_t* lengths, int n, int bits, uint32_t* table, int room, bool partial, Entry&& entry) {
  int count[kLongest + 1] = {}, first[kLongest + 2] = {}, longest = 0, left = 1;
  for (int i = 0; i < n; ++i) ++count[lengths[i]];
  count[0] = 0;
  for (int length = 1; length <= kLongest; ++length) {
    if (count[length] > 0) longest = length;
    left = 2 * left - count[length];
    if (left < 0) return false;
    first[length + 1] = first[length] + count[length];
  }
  if (left > 0 && !(partial && longest <= 1)) return false;
  uint16_t sorted[kSymbols];
  for (int i = 0; i < n; ++i) {
    if (lengths[i] > 0) sorted[first[lengths[i]]++] = uint16_t(i);
  }
  if (left > 0) std::fill_n(table, 1 << bits, kInvalid | 1);

  int used = 1 << bits;
  uint32_t code = 0, prefix = ~0u;
  for (int length = 1, next = 0; length <= longest; ++length, code <<= 1) {
    for (int k = count[length]; k > 0; --k, ++code, --count[length]) {
      const uint32_t place = reversed(code, length), low = place & ((1u << bits) - 1);
      const uint32_t made = entry(sorted[next++]) | uint32_t(length);
      if (length <= bits) {
        for (uint32_t at = place; at < 1u << bits; at += 1u << length) table[at] = made;
        continue;
      }
      if (low != prefix) {  // as large as what is left of the code with these first bits
        int more = length - bits;
        for (int free = 1 << more; more + bits < longest; ++more, free *= 2) {
          free -= count[more + bits];
          if (free <= 0) break;
        }
        if (used + (1 << more) > room) return false;
        prefix = low;
        table[low] = kTable | uint32_t(used) << 16 | uint32_t(more) << 8;
        used += 1 << more;
      }
      const uint32_t from = table[low] >> 16 & 0xfff, size = 1u << (table[low] >> 8 & 0xff);
      for (uint32_t at = place >> bits; at < size; at += 1u << (length - bits)) table[from + at] = made;
    }
  }
  return true;
}

inline uint32_t symbol_entry(int symbol) {
  if (symbol < 256) return kLiteral | uint32_t(symbol) << 16;
  if (symbol == 256) return kEnd;
  if (symbol > 285) return kInvalid;
  return uint32_t(kLengthBase[symbol - 257]) << 16 | uint32_t(kLengthExtra[symbol - 257]) << 8;
}

// The value is the symbol: the distance it stands for does not fit.
inline uint32_t distance_entry(int symbol) {
  if (symbol > 29) return kInvalid;
  return uint32_t(symbol) << 16 | uint32_t(symbol < 4 ? 0 : symbol / 2 - 1) << 8;
}

struct Codes {
  uint32_t symbols[kSymbolEntries], distances[kDistanceEntries];

  bool build_both(const uint8_t* lengths, int n, int distances_n) {
    return build(lengths, n, kSymbolBits, symbols, kSymbolEntries, true, symbol_entry) &&
           build(lengths + n, distances_n, kDistanceBits, distances, kDistanceEntries, true, distance_entry);
  }

  bool fixed() {
    uint8_t lengths[kSymbols + kDistances];
    std::fill_n(lengths, 144, 8);
    std::fill_n(lengths + 144, 112, 9);
    std::fill_n(lengths + 256, 24, 7);
    std::fill_n(lengths + 280, 8, 8);
    std::fill_n(lengths + kSymbols, kDistances, 5);
    return build_both(lengths, kSymbols, kDistances);
  }

  // Reads the codes of a block.
  bool read(Bits& bits) {
    bits.refill();
    const int n = int(bits.take(5)) + 257, distances_n = int(bits.take(5)) + 1, given = int(bits.take(4)) + 4;
    if (n > 286 || distances_n > 30) return false;
    uint8_t lengths[kSymbols + kDistances] = {}, code_lengths[kLengthCodes] = {};
    for (int i = 0; i < given; ++i) {
      bits.refill();
      code_lengths[kOrder[i]] = uint8_t(bits.take(3));
    }
    uint32_t table[kLengthCodeEntries];
    if (!build(code_lengths, kLengthCodes, kLengthCodeBits, table, kLengthCodeEntries, false,
               [](int symbol) { return uint32_t(symbol) << 16; })) {
      return false;
    }
    for (int i = 0; i < n + distances_n;) {
      bits.refill();
      const uint32_t entry = table[bits.word & (kLengthCodeEntries - 1)];
      if (entry & kInvalid || bits.overrun()) return false;
      bits.drop(int(entry & 0xff));
      const int symbol = int(entry >> 16);
      int times = 1;
      uint8_t length = uint8_t(symbol);
      if (symbol >= 16) {
        if (symbol == 16 && i == 0) return false;
        length = symbol == 16 ? lengths[i - 1] : 0;
        times = symbol == 16 ? 3 + int(bits.take(2)) : symbol == 17 ? 3 + int(bits.take(3)) : 11 + int(bits.take(7));
        if (i + times > n + distances_n) return false;
      }
      std::fill_n(lengths + i, times, length);
      i += times;
    }
    return lengths[256] > 0 && build_both(lengths, n, distances_n);
  }
};

inline uint32_t look_up(const uint32_t* table, int bits, uint64_t word) {
  const uint32_t entry = table[word & ((1u << bits) - 1)];
  if (!(entry & kTable)) return entry;
  return table[(entry >> 16 & 0xfff) + (word >> bits & ((1u << (entry >> 8 & 0xff)) - 1))];
}

// Decodes a block up to its end, to [out, end); what was decoded before begins at `begin`.
inline Inflated decode_block(Bits& bits, const Codes& codes, const uint8_t* begin, uint8_t*& out, uint8_t* end) {
  for (;;) {
    bits.refill();
    if (bits.overrun()) return Inflated::cut_off;
    uint32_t entry = look_up(codes.symbols, kSymbolBits, bits.word);
    for (int k = 0; k < 2 && entry & kLiteral; ++k) {  // three codes are 45 bits at the most
      if (out == end) return Inflated::too_long;
      *out++ = uint8_t(entry >> 16);
      bits.drop(int(entry & 0xff));
      entry = look_up(codes.symbols, kSymbolBits, bits.word);
    }
    bits.drop(int(entry & 0xff));
    if (entry & kLiteral) {
      if (out == end) return Inflated::too_long;
      *out++ = uint8_t(entry >> 16);
      continue;
    }
    if (entry & kInvalid) return Inflated::wrong;
    if (entry & kEnd) return bits.overrun() ? Inflated::cut_off : Inflated::whole;
    bits.refill();
    const size_t n = (entry >> 16 & 0xfff) + bits.take(int(entry >> 8 & 0xff));
    entry = look_up(codes.distances, kDistanceBits, bits.word);
    if (entry & kInvalid) return bits.overrun() ? Inflated::cut_off : Inflated::wrong;
    bits.drop(int(entry & 0xff));
    const uint32_t symbol = entry >> 16, extra = entry >> 8 & 0xff;
    const size_t distance = (symbol < 4 ? symbol : (2 | (symbol & 1)) << extra) + 1 + bits.take(int(extra));
    if (bits.overrun()) return Inflated::cut_off;
    if (size_t(out - begin) < distance) return Inflated::wrong;
    if (size_t(end - out) < n) return Inflated::too_long;
    repeat(out, end, distance, n);
    out += n;
  }
}

inline Inflated stored_block(Bits& bits, uint8_t*& out, uint8_t* end) {
  if (!bits.to_bytes() || bits.end - bits.in < 4) return Inflated::cut_off;
  const size_t n = bits.in[0] | size_t(bits.in[1]) << 8, inverse = bits.in[2] | size_t(bits.in[3]) << 8;
  bits.in += 4;
  if (n != (inverse ^ 0xffff)) return Inflated::wrong;
  if (size_t(bits.end - bits.in) < n) return Inflated::cut_off;
  if (size_t(end - out) < n) return Inflated::too_long;
  if (n > 0) std::memcpy(out, bits.in, n);
  bits.in += n;
  out += n;
  return Inflated::whole;
}

// Adler-32, 32 bytes at a time so that it can be vectorised; sums are brought below its modulus before they overflow.
inline uint32_t adler(const uint8_t* data, size_t n) {
  constexpr uint32_t kModulus = 65521;
  constexpr size_t kAtOnce = 32, kSafely = 5536;
  uint32_t a = 1, b = 0;
  while (n > 0) {
    size_t part = std::min(n, kSafely);
    n -= part;
    for (; part >= kAtOnce; part -= kAtOnce, data += kAtOnce) {
      uint32_t sum = 0, weighted = 0;
      for (uint32_t i = 0; i < kAtOnce; ++i) {
        sum += data[i];
        weighted += uint32_t(kAtOnce - i) * data[i];
      }
      b += uint32_t(kAtOnce) * a + weighted;
      a += sum;
    }
    for (; part > 0; --part) b += a += *data++;
    a %= kModulus;
    b %= kModulus;
  }
  return b << 16 | a;
}

}  // namespace deflate

// Decodes in (length,) to out (room,), which has to be filled exactly; what follows the data in `in` does not matter.
inline Inflated inflate(const uint8_t* in, size_t length, uint8_t* out, size_t room) {
  using namespace deflate;
  if (length < 2) return Inflated::cut_off;
  const bool known = (in[0] & 15) == 8 && in[0] >> 4 <= 7 && (in[0] << 8 | in[1]) % 31 == 0 && !(in[1] & 32);
  if (!known) return Inflated::wrong;
  Bits bits{in + 2, in + length};
  uint8_t *const begin = out, *const end = out + room;
  Codes codes;
  for (bool last = false; !last;) {
    bits.refill();
    last = bits.take(1);
    const uint32_t kind = bits.take(2);
    if (bits.overrun()) return Inflated::cut_off;
    Inflated found = Inflated::whole;
    if (kind == 0) {
      found = stored_block(bits, out, end);
    } else if (kind == 3 || !(kind == 1 ? codes.fixed() : codes.read(bits))) {
      found = bits.overrun() ? Inflated::cut_off : Inflated::wrong;
    } else {
      found = decode_block(bits, codes, begin, out, end);
    }
    if (found != Inflated::whole) return found;
  }
  if (!bits.to_bytes() || bits.end - bits.in < 4) return Inflated::cut_off;
  const uint8_t* sum = bits.in;
  const uint32_t expected = uint32_t(sum[0]) << 24 | uint32_t(sum[1]) << 16 | uint32_t(sum[2]) << 8 | sum[3];
  if (adler(begin, size_t(out - begin)) != expected) return Inflated::wrong_sum;
  return out == end ? Inflated::whole : Inflated::too_short;
}

}  // namespace cap::data
