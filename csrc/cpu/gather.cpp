// gather: x (B, D), y (B,) <- the next rows in the epoch's order, converted to T and scaled.
#include "kernels.hpp"

namespace cap {
namespace CAP_PATH {

namespace {

template <class T, class S>
void convert(T* x, const S* stored, int64_t n, T scale) {
  for (int64_t i = 0; i < n; ++i) x[i] = T(stored[i]) * scale;
}

template <class T, class S>
void rows(const Call& c, const Frame<T>& f, Span span) {
  const Source& source = *f.source;
  const S* features = static_cast<const S*>(source.features);
  const int64_t D = c.operands[0].cols;
  T* x = place(f, c.operands[0]);
  int32_t* y = place_labels(f, c.operands[1]);
  constexpr int64_t kBlock = 64;
  int64_t index[kBlock];
  for (int64_t begin = span.begin; begin < span.end; begin += kBlock) {
    const int64_t count = smaller(kBlock, span.end - begin);
    if (c.attributes.shuffled) {
      permute(f.order, uint64_t(f.start + begin), count, index);
    } else {
      for (int64_t i = 0; i < count; ++i) index[i] = f.start + begin + i;
    }
    for (int64_t i = 0; i < count; ++i) {
      convert(x + (begin + i) * D, features + index[i] * D, D, T(source.scale));
      y[begin + i] = source.labels[index[i]];
    }
  }
}

}  // namespace

template <class T>
void gather(const Call& c, const Frame<T>& f, int64_t tile) {
  const Span s = span(tile, c.tiles, f.rows);
  switch (f.source->stored) {
    case Stored::uint8:
      return rows<T, uint8_t>(c, f, s);
    case Stored::int16:
      return rows<T, int16_t>(c, f, s);
    case Stored::float32:
      return rows<T, float>(c, f, s);
  }
}

int64_t gather_tiles(const Call& c, int64_t max_rows) {
  return tile_count(max_rows * c.operands[0].cols, kElementTile, max_rows);
}

CAP_KERNEL(gather)

}  // namespace CAP_PATH
}  // namespace cap
