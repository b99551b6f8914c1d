// Where the rows of an uncompressed array lie in its file, and how they are read.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace cap::data {

constexpr int64_t kMissing = -1;       // a chunk that was never written: it holds the fill value
constexpr int64_t kScratch = 1 << 20;  // bytes of a chunk that are read at a time where chunks split columns
constexpr int kAhead = 8;              // rows that are asked of memory before they are copied
constexpr int64_t kAskedBytes = 1024;  // of each; the rest the processor sees coming

// Contiguous arrays are one chunk of all rows.
struct Layout {
  int64_t rows, row_bytes;              // of the array
  int64_t chunk_rows, chunk_row_bytes;  // of a chunk; the last ones may reach beyond the array
  std::vector<int64_t> offsets;         // (chunks down x chunks across,) in the file, or kMissing
  std::vector<uint8_t> fill;            // one element
  int64_t end = 0;                      // of its last chunk in the file, as extent() finds it

  int64_t across() const { return row_bytes / chunk_row_bytes + (row_bytes % chunk_row_bytes != 0); }
  int64_t down() const { return rows / chunk_rows + (rows % chunk_rows != 0); }
};

// Returns the end of the last chunk in the file, or -1 where the numbers cannot be.
inline int64_t extent(const Layout& layout) {
  const int64_t item = int64_t(layout.fill.size());
  if (item < 1 || layout.rows < 0 || layout.row_bytes < 1 || layout.chunk_rows < 1 || layout.chunk_row_bytes < 1) {
    return -1;
  }
  if (layout.row_bytes % item || layout.chunk_row_bytes % item) return -1;
  int64_t cells, bytes, array_bytes, farthest = 0;
  if (__builtin_mul_overflow(layout.down(), layout.across(), &cells) || cells != int64_t(layout.offsets.size()) ||
      __builtin_mul_overflow(layout.chunk_rows, layout.chunk_row_bytes, &bytes) ||
      __builtin_mul_overflow(layout.rows, layout.row_bytes, &array_bytes)) {
    return -1;
  }
  for (const int64_t offset : layout.offsets) {
    int64_t end;
    if (offset == kMissing) continue;
    if (offset < 0 || __builtin_add_overflow(offset, bytes, &end)) return -1;
    farthest = std::max(farthest, end);
  }
  return farthest;
}

inline void put_fill(const std::vector<uint8_t>& fill, uint8_t* out, int64_t bytes) {
  if (std::all_of(fill.begin(), fill.end(), [&](uint8_t byte) { return byte == fill[0]; })) {
    std::memset(out, fill[0], size_t(bytes));
    return;
  }
  for (int64_t at = 0; at < bytes; at += int64_t(fill.size())) std::memcpy(out + at, fill.data(), fill.size());
}

// Returns the place in `indices` (n,) of the first that is no row, or -1.
inline int64_t first_outside(const Layout& layout, const int64_t* indices, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    if (indices[i] < 0 || indices[i] >= layout.rows) return i;
  }
  return -1;
}

// out (n, row_bytes) <- rows of a file that is mapped at `map`. The indices are rows, and the map reaches the extent.
inline void gather(const Layout& layout, const uint8_t* map, const int64_t* indices, int64_t n, uint8_t* out) {
  const int64_t across = layout.across(), chunk_rows = layout.chunk_rows;
  auto place = [&](int64_t row, int64_t column) {
    const int64_t offset = layout.offsets[size_t(row / chunk_rows * across + column)];
    return offset == kMissing ? nullptr : map + offset + row % chunk_rows * layout.chunk_row_bytes;
  };
  auto ask_for = [&](int64_t row) {
    const uint8_t* from = place(row, 0);
    const int64_t bytes = std::min({layout.row_bytes, layout.chunk_row_bytes, kAskedBytes});
    for (int64_t at = 0; from && at < bytes; at += 64) __builtin_prefetch(from + at);
  };
  for (int64_t i = 0; i < kAhead && i < n; ++i) ask_for(indices[i]);
  for (int64_t i = 0; i < n; ++i) {
    if (i + kAhead < n) ask_for(indices[i + kAhead]);
    for (int64_t column = 0; column < across; ++column) {
      const int64_t at = column * layout.chunk_row_bytes;
      const int64_t bytes = std::min(layout.chunk_row_bytes, layout.row_bytes - at);
      const uint8_t* from = place(indices[i], column);
      if (from) {
        std::memcpy(out + i * layout.row_bytes + at, from, size_t(bytes));
      } else {
        put_fill(layout.fill, out + i * layout.row_bytes + at, bytes);
      }
    }
  }
}

// out (stop - start, row_bytes) <- rows [start, stop), 0 <= start <= stop <= rows; read(offset, to, bytes) reads the
// file. What follows each other in the file is read at once.
template <class Read>
void read_whole_rows(const Layout& layout, int64_t start, int64_t stop, uint8_t* out, Read&& read) {
  int64_t from = 0, bytes = 0;
  uint8_t* to = out;
  for (int64_t row = start; row < stop;) {
    const int64_t first = row % layout.chunk_rows;
    const int64_t count = std::min(layout.chunk_rows - first, stop - row);
    const int64_t offset = layout.offsets[size_t(row / layout.chunk_rows)];
    uint8_t* place = out + (row - start) * layout.row_bytes;
    if (offset == kMissing) {
      put_fill(layout.fill, place, count * layout.row_bytes);
    } else if (bytes > 0 && offset + first * layout.row_bytes == from + bytes && place == to + bytes) {
      bytes += count * layout.row_bytes;
    } else {
      if (bytes > 0) read(from, to, bytes);
      from = offset + first * layout.row_bytes;
      to = place;
      bytes = count * layout.row_bytes;
    }
    row += count;
  }
  if (bytes > 0) read(from, to, bytes);
}

// The same where chunks split the columns, or are wider than the array.
template <class Read>
void read_split_rows(const Layout& layout, int64_t start, int64_t stop, uint8_t* out, Read&& read) {
  const int64_t across = layout.across(), wide = layout.chunk_row_bytes;
  const int64_t at_once = std::max<int64_t>(1, kScratch / wide);
  std::vector<uint8_t> scratch;
  for (int64_t row = start; row < stop;) {
    const int64_t first = row % layout.chunk_rows;
    const int64_t count = std::min({layout.chunk_rows - first, stop - row, at_once});
    for (int64_t column = 0; column < across; ++column) {
      const int64_t offset = layout.offsets[size_t(row / layout.chunk_rows * across + column)];
      const int64_t bytes = std::min(wide, layout.row_bytes - column * wide);
      if (offset != kMissing) {
        scratch.resize(size_t(std::min(at_once, layout.chunk_rows) * wide));
        read(offset + first * wide, scratch.data(), count * wide);
      }
      for (int64_t r = 0; r < count; ++r) {
        uint8_t* place = out + (row - start + r) * layout.row_bytes + column * wide;
        if (offset == kMissing) {
          put_fill(layout.fill, place, bytes);
        } else {
          std::memcpy(place, scratch.data() + r * wide, size_t(bytes));
        }
      }
    }
    row += count;
  }
}

template <class Read>
void read_rows(const Layout& layout, int64_t start, int64_t stop, uint8_t* out, Read&& read) {
  if (layout.chunk_row_bytes == layout.row_bytes) {
    read_whole_rows(layout, start, stop, out, read);
  } else {
    read_split_rows(layout, start, stop, out, read);
  }
}

}  // namespace cap::data
