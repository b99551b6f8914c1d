// softmax_xent: cross-entropy of softmax(z) with labels y, per row, in nats, and the gradient of its mean over the
// whole batch. z (B, K), y (B,), loss (B,) and dz (B, K), each of these two absent where nobody reads it. Tiles are
// rows.
#include <cmath>

#include "../common/numeric.h"
#include "kernels.hpp"

namespace cap {
namespace CAP_PATH {

namespace {

// Sums and maxima run over kLanes interleaved lanes, joined in a fixed order: the same on every path and vectorisable.
constexpr int kLanes = 16;

template <class T>
T row_max(const T* z, int64_t K) {
  T lanes[kLanes];
  for (int l = 0; l < kLanes; ++l) lanes[l] = z[0];
  int64_t j = 0;
  for (; j + kLanes <= K; j += kLanes) {
    for (int l = 0; l < kLanes; ++l) lanes[l] = z[j + l] > lanes[l] ? z[j + l] : lanes[l];
  }
  for (; j < K; ++j) lanes[0] = z[j] > lanes[0] ? z[j] : lanes[0];
  for (int l = 1; l < kLanes; ++l) lanes[0] = lanes[l] > lanes[0] ? lanes[l] : lanes[0];
  return lanes[0];
}

// Sum of e^(z - max). Kept in e where there is an e. A NaN anywhere in the row makes the sum NaN.
template <class T, bool keep>
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
  T sum = 0;
  for (int l = 0; l < kLanes; ++l) sum += lanes[l];
  return sum;
}

}  // namespace

template <class T>
void softmax_xent(const Call& c, const Frame<T>& f, int64_t tile) {
  const int64_t K = c.operands[2].cols;
  T* loss = place(f, c.operands[0]);
  T* dz = place(f, c.operands[1]);
  const T* z = place(f, c.operands[2]);
  const int32_t* y = place_labels(f, c.operands[3]);
  const Span s = span(tile, c.tiles, f.rows);
  for (int64_t r = s.begin; r < s.end; ++r) {
    const T* zr = z + r * K;
    const T max = row_max(zr, K);
    const T sum = dz ? row_exp<T, true>(dz + r * K, zr, K, max) : row_exp<T, false>(nullptr, zr, K, max);
    if (loss) loss[r] = std::log(sum) - (zr[y[r]] - max);
    if (!dz) continue;
    T* dr = dz + r * K;
    const T factor = T(1) / (sum * T(f.batch_rows));
    for (int64_t j = 0; j < K; ++j) dr[j] *= factor;
    dr[y[r]] -= T(1) / T(f.batch_rows);
  }
}

int64_t softmax_xent_tiles(const Call& c, int64_t max_rows) {
  return tile_count(max_rows * c.operands[2].cols, kElementTile, max_rows);
}

CAP_KERNEL(softmax_xent)

}  // namespace CAP_PATH
}  // namespace cap
