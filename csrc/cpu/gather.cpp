// gather: x (B, D), y (B,) <- the next rows of the subset in the epoch's order, or of a window in its own, converted to
// T and scaled.
#include "../common/half.h"
#include "kernels.hpp"
#include "permute.hpp"
#include "vector.hpp"

namespace cap {
namespace CAP_PATH {

namespace {

constexpr int kAhead = 8;             // rows that are asked of memory before they are copied
constexpr int64_t kAskedBytes = 512;  // of each; the rest the processor sees coming

template <class S>
void ask_for(const S* row, int64_t D) {
  const int64_t bytes = smaller(D * int64_t(sizeof(S)), kAskedBytes);
  for (int64_t at = 0; at < bytes; at += 64) __builtin_prefetch(reinterpret_cast<const char*>(row) + at);
}

template <class T, class S>
CAP_INLINE void convert(T* to, const S* stored, int64_t D, T scale) {
  if constexpr (std::is_same_v<T, S>) {
    for_vectors<T>(D, [&](int64_t j, auto n) { store(to + j, load(stored + j, n) * scale, n); });
  } else {
    for (int64_t j = 0; j < D; ++j) to[j] = T(value_of(stored[j])) * scale;
  }
}

template <class T, class S>
void rows(const Call& c, const Frame<T>& f, Span span) {
  const Source& source = *f.source;
  const S* features = static_cast<const S*>(source.features);
  const float* factors = source.row_scale;
  const int64_t D = c.operands[0].cols, start = f.start - source.window.first;
  const T scale = T(source.scale);
  T* x = place(f, c.operands[0]);
  int32_t* y = place_labels(f, c.operands[1]);
  int64_t index[kPermuted];
  for (int64_t begin = span.begin; begin < span.end; begin += kPermuted) {
    const int count = int(smaller(kPermuted, span.end - begin));
    for (int i = 0; i < count; ++i) index[i] = start + begin + i;
    if (c.attributes.shuffled) permute(f.order, count, index);
    if (f.subset.n > 0) permute(f.subset, count, index);
    for (int i = 0; i < kAhead && i < count; ++i) ask_for(features + index[i] * D, D);
    for (int i = 0; i < count; ++i) {
      if (i + kAhead < count) ask_for(features + index[i + kAhead] * D, D);
      const T factor = factors ? scale * T(factors[index[i]]) : scale;
      convert(x + (begin + i) * D, features + index[i] * D, D, factor);
      y[begin + i] = source.labels[index[i]];
    }
  }
}

}  // namespace

template <class T>
void gather(const Call& c, const Frame<T>& f, Share share) {
  const Span s = span(share, f.rows, 1);
  switch (f.source->stored) {
    case Stored::uint8:
      return rows<T, uint8_t>(c, f, s);
    case Stored::int16:
      return rows<T, int16_t>(c, f, s);
    case Stored::float32:
      return rows<T, float>(c, f, s);
    case Stored::int32:
      return rows<T, int32_t>(c, f, s);
    case Stored::float16:
      return rows<T, Half>(c, f, s);
  }
}

int64_t gather_shares(const Call& c, int64_t max_rows) {
  return share_count(max_rows * c.operands[0].cols, kElementShare, max_rows);
}

CAP_KERNEL(gather)

}  // namespace CAP_PATH
}  // namespace cap
