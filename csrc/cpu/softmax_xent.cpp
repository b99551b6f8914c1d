// softmax_xent: cross-entropy of softmax(z) with labels y, per row, in nats, and the gradient of its mean over the
// whole batch. z (B, K), y (B,), loss (B,) and dz (B, K), each of these two absent where nobody reads it. Tiles are
// rows.
#include <cmath>

#include "../common/numeric.h"
#include "kernels.hpp"

namespace cap {
namespace CAP_PATH {

namespace {

// A sum or maximum over a row runs over kLanes interleaved lanes, joined in order; rows of few classes are instead
// worked on kLanes at a time, a lane a row. Both are the same on every path.
constexpr int kLanes = 16;
constexpr int64_t kFewClasses = 64;

template <class T>
struct Operands {
  T *loss, *dz;
  const T* z;
  const int32_t* y;
  int64_t K;
  T batch_rows;
};

// Row r is finished: its maximum, the sum of e^(z - max), and in dz, if there is one, softmax(z) / batch_rows.
template <class T>
CAP_INLINE void finish(const Operands<T>& o, int64_t r, T max, T sum) {
  if (o.loss) o.loss[r] = logarithm(sum) - (o.z[r * o.K + o.y[r]] - max);
  if (o.dz) o.dz[r * o.K + o.y[r]] -= T(1) / o.batch_rows;
}

// NaN in z[0] gives NaN; other NaNs may be passed over, the sum of the exponentials finds them.
template <class T>
T row_max(const T* z, int64_t K) {
  T lanes[kLanes];
  for (int l = 0; l < kLanes; ++l) lanes[l] = z[l];
  int64_t j = kLanes;
  for (; j + kLanes <= K; j += kLanes) {
    for (int l = 0; l < kLanes; ++l) lanes[l] = z[j + l] > lanes[l] ? z[j + l] : lanes[l];
  }
  for (int l = 0; j < K; ++j, ++l) lanes[l] = z[j] > lanes[l] ? z[j] : lanes[l];
  for (int l = 1; l < kLanes; ++l) lanes[0] = lanes[l] > lanes[0] ? lanes[l] : lanes[0];
  return lanes[0];
}

// Sum of e^(z - max), kept in e where there is an e. A NaN anywhere in the row makes it NaN.
template <bool keep, class T>
T row_exp(T* e, const T* z, int64_t K, T max) {
  T lanes[kLanes] = {};
  int64_t j = 0;
  for (; j + kLanes <= K; j += kLanes) {
    for (int l = 0; l < kLanes; ++l) {
      const T v = exp_nonpositive(z[j + l] - max);
      if (keep) e[j + l] = v;
      lanes[l] += v;
    }
  }
  for (int l = 0; j < K; ++j, ++l) {
    const T v = exp_nonpositive(z[j] - max);
    if (keep) e[j] = v;
    lanes[l] += v;
  }
  for (int l = 1; l < kLanes; ++l) lanes[0] += lanes[l];
  return lanes[0];
}

template <class T>
void one_row(const Operands<T>& o, int64_t r) {
  const T* z = o.z + r * o.K;
  T* dz = o.dz ? o.dz + r * o.K : nullptr;
  const T max = row_max(z, o.K);
  const T sum = dz ? row_exp<true>(dz, z, o.K, max) : row_exp<false>(dz, z, o.K, max);
  const T factor = T(1) / (sum * o.batch_rows);
  for (int64_t j = 0; dz && j < o.K; ++j) dz[j] *= factor;
  finish(o, r, max, sum);
}

// Up to kLanes rows of K < kFewClasses classes from row r on, transposed; missing rows repeat the last.
template <class T>
void few_classes(const Operands<T>& o, int64_t r, int64_t rows) {
  T e[kFewClasses][kLanes], max[kLanes], sum[kLanes] = {}, factor[kLanes];
  for (int l = 0; l < kLanes; ++l) {
    const T* z = o.z + (r + smaller(l, rows - 1)) * o.K;
    for (int64_t j = 0; j < o.K; ++j) e[j][l] = z[j];
    max[l] = z[0];
  }
  for (int64_t j = 1; j < o.K; ++j) {
    for (int l = 0; l < kLanes; ++l) max[l] = e[j][l] > max[l] ? e[j][l] : max[l];
  }
  for (int64_t j = 0; j < o.K; ++j) {
    for (int l = 0; l < kLanes; ++l) {
      e[j][l] = exp_nonpositive(e[j][l] - max[l]);
      sum[l] += e[j][l];
    }
  }
  for (int l = 0; l < kLanes; ++l) factor[l] = T(1) / (sum[l] * o.batch_rows);
  for (int64_t l = 0; l < rows; ++l) {
    for (int64_t j = 0; o.dz && j < o.K; ++j) o.dz[(r + l) * o.K + j] = e[j][l] * factor[l];
    finish(o, r + l, max[l], sum[l]);
  }
}

}  // namespace

template <class T>
void softmax_xent(const Call& c, const Frame<T>& f, int64_t tile) {
  const Operands<T> o = {place(f, c.operands[0]),        place(f, c.operands[1]), place(f, c.operands[2]),
                         place_labels(f, c.operands[3]), c.operands[2].cols,      T(f.batch_rows)};
  const Span s = span(tile, c.tiles, f.rows, kLanes);
  for (int64_t r = s.begin; r < s.end;) {
    const int64_t rows = o.K < kFewClasses ? smaller(kLanes, s.end - r) : 1;
    if (o.K < kFewClasses) {
      few_classes(o, r, rows);
    } else {
      one_row(o, r);
    }
    r += rows;
  }
}

int64_t softmax_xent_tiles(const Call& c, int64_t max_rows) {
  return tile_count(max_rows * c.operands[2].cols, kElementTile, max_rows);
}

CAP_KERNEL(softmax_xent)

}  // namespace CAP_PATH
}  // namespace cap
