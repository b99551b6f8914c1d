// softmax_xent: cross-entropy of softmax(z) with labels y, per row, in nats, the gradient of its mean over the whole
// batch, and the top-1 error. z (B, K), y (B,), loss (B,), dz (B, K) and wrong (B,), each of these three absent where
// nobody reads it. Shares are rows.
#include <cmath>

#include "../common/numeric.h"
#include "../common/ranking.h"
#include "kernels.hpp"
#include "vector.hpp"

namespace cap {
namespace CAP_PATH {

namespace {

// A row of few classes is worked on beside others, a lane a row; a longer one in kLanes interleaved lanes, joined in
// order. Both are the same on every path.
constexpr int kLanes = 16;
constexpr int64_t kFewClasses = 64;

template <class T>
struct Operands {
  T *loss, *dz, *wrong;
  const T* z;
  const int32_t* y;
  int64_t K;
  T batch_rows;
};

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
  const int64_t label = o.y[r];
  T* dz = o.dz ? o.dz + r * o.K : nullptr;
  const T max = row_max(z, o.K);
  const T sum = dz ? row_exp<true>(dz, z, o.K, max) : row_exp<false>(dz, z, o.K, max);
  if (dz) {
    const T factor = T(1) / (sum * o.batch_rows);
    for (int64_t j = 0; j < o.K; ++j) dz[j] *= factor;
    dz[label] -= T(1) / o.batch_rows;
  }
  if (o.loss) o.loss[r] = log_from_one(sum) - (z[label] - max);
  if (o.wrong) {
    int64_t before = 0;
    for (int64_t j = 0; j < o.K; ++j) before += comes_before(z[j], j, z[label], label);
    o.wrong[r] = before > 0 ? T(1) : T(0);
  }
}

// Up to a vector of rows of K < kFewClasses classes from row r on: lane l of e[j] is row r + l, class j.
template <class T>
void few_classes(const Operands<T>& o, int64_t r, int rows) {
  constexpr int lanes = kLanesOf<T>;
  const int K = int(o.K);
  Vector<T> e[kFewClasses], sum = {};
  for (int j = 0; j < K; j += lanes) load_transposed(e + j, o.z + r * K + j, K, rows, smaller(lanes, K - j));
  T own[lanes] = {};
  int label[lanes] = {};
  for (int l = 0; l < rows; ++l) {
    label[l] = o.y[r + l];
    own[l] = e[label[l]][l];
  }
  if (o.wrong) {
    T wrong[lanes] = {};
    for (int j = 0; j < K; ++j) {
      for (int l = 0; l < lanes; ++l) wrong[l] = comes_before(e[j][l], j, own[l], label[l]) ? T(1) : wrong[l];
    }
    store_part(o.wrong + r, load(wrong), rows);
  }
  Vector<T> max = e[0];
  for (int j = 1; j < K; ++j) max = e[j] > max ? e[j] : max;
  for (int j = 0; j < K; ++j) {
    e[j] = map<T>(e[j] - max, [](T v) { return exp_nonpositive(v); });
    sum += e[j];
  }
  if (o.loss) {
    const Vector<T> log = map<T>(sum, [](T v) { return log_from_one(v); });
    store_part(o.loss + r, log - (load(own) - max), rows);
  }
  if (!o.dz) return;
  const Vector<T> factor = T(1) / (sum * o.batch_rows);
  for (int j = 0; j < K; ++j) e[j] *= factor;
  for (int j = 0; j < K; j += lanes) store_transposed(o.dz + r * K + j, e + j, K, rows, smaller(lanes, K - j));
  for (int l = 0; l < rows; ++l) o.dz[(r + l) * K + label[l]] -= T(1) / o.batch_rows;
}

}  // namespace

template <class T>
void softmax_xent(const Call& c, const Frame<T>& f, Share share) {
  const Operands<T> o = {place(f, c.operands[0]), place(f, c.operands[1]),        place(f, c.operands[2]),
                         place(f, c.operands[3]), place_labels(f, c.operands[4]), c.operands[3].cols,
                         T(f.batch_rows)};
  const Span s = span(share, f.rows);
  if (o.K < kFewClasses) {
    constexpr int64_t lanes = kLanesOf<T>;
    for (int64_t r = s.begin; r < s.end; r += lanes) few_classes(o, r, int(smaller(lanes, s.end - r)));
  } else {
    for (int64_t r = s.begin; r < s.end; ++r) one_row(o, r);
  }
}

int64_t softmax_xent_shares(const Call& c, int64_t max_rows) {
  return share_count(max_rows * c.operands[3].cols, kElementShare, max_rows);
}

CAP_KERNEL(softmax_xent)

}  // namespace CAP_PATH
}  // namespace cap
