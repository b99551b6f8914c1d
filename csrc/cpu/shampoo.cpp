// shampoo: the statistics of a parameter, from time to time their inverse roots, and the direction of the step. A
// matrix (rows, cols): direction and g like it; statistics and roots (S,), two factors for every tile. A vector (n,):
// all (n,), without roots. Shares are tiles; a tile's numbers depend on no other.
#include "../common/shampoo.h"

#include <algorithm>

#include "kernels.hpp"
#include "product.hpp"
#include "trace.hpp"

namespace cap {
namespace CAP_PATH {

namespace {

template <class T>
CAP_INLINE T lane_sum(const Vector<T>& v) {
  constexpr int lanes = kLanesOf<T>;
  T sums[lanes];
  store(sums, v);
  for (int half = lanes / 2; half > 0; half /= 2) {
    for (int l = 0; l < half; ++l) sums[l] += sums[l + half];
  }
  return sums[0];
}

// Makes rows x and y of B orthogonal, and turns those of V alike; `pitch` elements each, whole vectors. Returns the
// cosine of the angle between x and y before.
template <class T>
CAP_INLINE T turn_rows(T* x, T* y, T* vx, T* vy, int pitch) {
  constexpr int lanes = kLanesOf<T>;
  Vector<T> xx = {}, yy = {}, xy = {};
  for (int j = 0; j < pitch; j += lanes) {
    const Vector<T> a = load(x + j), b = load(y + j);
    xx += a * a;
    yy += b * b;
    xy += a * b;
  }
  const Rotation<T> r = rotation_of(lane_sum<T>(xx), lane_sum<T>(yy), lane_sum<T>(xy));
  if (r.sine == T(0)) return r.off;
  for (int j = 0; j < pitch; j += lanes) {
    const Vector<T> a = load(x + j), b = load(y + j), va = load(vx + j), vb = load(vy + j);
    store(x + j, r.cosine * a - r.sine * b);
    store(y + j, r.sine * a + r.cosine * b);
    store(vx + j, r.cosine * va - r.sine * vb);
    store(vy + j, r.sine * va + r.cosine * vb);
  }
  return r.off;
}

// Turns the rows of B (n, pitch) and V until those of B are orthogonal.
template <class T>
void make_orthogonal(T* b, T* v, int n, int pitch) {
  const int players = players_of(n);
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    T most = 0;
    for (int round = 0; round < players - 1; ++round) {
      for (int k = 0; k < players / 2; ++k) {
        const Pair rows = pair_of(round, k, players);
        if (rows.p >= n || rows.q >= n) continue;
        const int x = rows.p * pitch, y = rows.q * pitch;
        const T off = turn_rows(b + x, b + y, v + x, v + y, pitch);
        most = off > most ? off : most;
      }
    }
    if (most < Jacobi<T>::settled) return;
  }
}

// root (n, n) <- (A + epsilon)^(-1/4) of A (n, n), symmetric; NaN where A is not finite.
template <class T>
void inverse_root(const T* a, int n, T epsilon, T* root, T* scratch) {
  constexpr int lanes = kLanesOf<T>;
  alignas(64) T b[kTile * kTile], v[kTile * kTile];
  const int pitch = (n + lanes - 1) / lanes * lanes;
  T trace = 0;
  for (int i = 0; i < n; ++i) trace += a[i * n + i];
  const T scale = scale_of(trace);
  if (scale != scale) {
    std::fill_n(root, n * n, scale);
    return;
  }
  std::fill_n(b, n * pitch, T(0));
  std::fill_n(v, n * pitch, T(0));
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) b[i * pitch + j] = scale * a[i * n + j];
    v[i * pitch + i] = T(1);
  }
  make_orthogonal(b, v, n, pitch);
  for (int i = 0; i < n; ++i) {
    T *const of_b = b + i * pitch, *const of_v = v + i * pitch;
    Vector<T> along = {}, vv = {};
    for (int j = 0; j < pitch; j += lanes) {
      along += load(of_b + j) * load(of_v + j);
      vv += load(of_v + j) * load(of_v + j);
    }
    const T factor = root_factor(trace * lane_sum<T>(along), lane_sum<T>(vv), epsilon);
    for (int j = 0; j < pitch; j += lanes) store(of_v + j, factor * load(of_v + j));
  }
  own_product(true, false, n, n, n, T(1), v, pitch, v, pitch, T(0), root, n, scratch);
}

// One tile: statistics and roots begin at its factors, direction and g at its first element, rows `ld` apart.
template <class T>
void precondition(const Tile& t, bool renew, T epsilon, T* statistics, T* roots, const T* g, T* direction, int64_t ld,
                  T* scratch) {
  const int64_t m = t.rows, n = t.cols;
  T *const left = statistics, *const right = statistics + m * m;
  own_product(false, true, m, m, n, T(1), g, ld, g, ld, T(1), left, m, scratch);
  own_product(true, false, n, n, m, T(1), g, ld, g, ld, T(1), right, n, scratch);
  if (renew) {
    inverse_root(left, t.rows, epsilon, roots, scratch);
    inverse_root(right, t.cols, epsilon, roots + m * m, scratch);
  }
  alignas(64) T turned[kTile * kTile];
  own_product(false, false, m, n, m, T(1), roots, m, g, ld, T(0), turned, n, scratch);
  own_product(false, false, m, n, n, T(1), turned, n, roots + m * m, n, T(0), direction, ld, scratch);
}

}  // namespace

template <class T>
void shampoo(const Call& c, const Frame<T>& f, Share share) {
  const int64_t rows = c.operands[0].rows, cols = c.operands[0].cols;
  T* direction = place(f, c.operands[0]);
  T* statistics = place(f, c.operands[1]);
  T* roots = place(f, c.operands[2]);
  const T* g = place(f, c.operands[3]);
  const T epsilon = T(c.attributes.epsilon);
  if (!roots) {
    const Span s = span(share, cols);
    for (int64_t i = s.begin; i < s.end; ++i) {
      statistics[i] += g[i] * g[i];
      direction[i] = g[i] / square_root(statistics[i] + epsilon);
    }
    return;
  }
  const bool renew = f.step % c.attributes.every == 0;
  const Span s = span(share, tile_count(rows, cols), 1);
  for (int64_t i = s.begin; i < s.end; ++i) {
    const Tile t = tile_of(rows, cols, i);
    const int64_t at = t.row * cols + t.col;
    precondition(t, renew, epsilon, statistics + t.offset, roots + t.offset, g + at, direction + at, cols, f.scratch);
  }
}

// What a tile's roots take comes on top, some steps; it is not counted.
int64_t shampoo_shares(const Call& c, int64_t) {
  const Operand& o = c.operands[0];
  if (c.operands[2].arena < 0) return update_shares(c);
  return share_count(4 * kTile * elements(o), kProductShare, tile_count(o.rows, o.cols));
}

CAP_KERNEL(shampoo)

}  // namespace CAP_PATH
}  // namespace cap
