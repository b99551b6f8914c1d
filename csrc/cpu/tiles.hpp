// How a call is cut into tiles. Tiles depend on shapes only, never on the number of threads, and no two tiles write the
// same element: so every result is bitwise the same with any number of threads.
#pragma once

#include <cstdint>

#include "frame.hpp"

namespace cap {
namespace CAP_PATH {

struct Span {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
};

CAP_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// Tile `tile` of `tiles` over [0, n), with borders at multiples of `unit`.
CAP_INLINE Span span(int64_t tile, int64_t tiles, int64_t n, int64_t unit = 1) {
  const int64_t units = (n + unit - 1) / unit;
  return {smaller(n, units * tile / tiles * unit), smaller(n, units * (tile + 1) / tiles * unit)};
}

// A tile carries about this much work, some 0.2 to 0.5 ms on one core, so that a barrier (about 1 us) does not show.
constexpr int64_t kProductTile = int64_t(1) << 24;  // multiply-adds of a product
constexpr int64_t kElementTile = int64_t(1) << 17;  // elements of a pass
constexpr int64_t kColumnUnit = 16;                 // columns of a product are cut at cache lines

CAP_INLINE int64_t tile_count(int64_t work, int64_t tile_work, int64_t limit) {
  const int64_t tiles = smaller((work + tile_work - 1) / tile_work, limit);
  return tiles < 1 ? 1 : tiles;
}

CAP_INLINE int64_t product_tiles(int64_t rows, int64_t depth, int64_t cols) {
  return tile_count(rows * depth * cols, kProductTile, (cols + kColumnUnit - 1) / kColumnUnit);
}

}  // namespace CAP_PATH
}  // namespace cap
