// Shampoo (Gupta, Koren & Singer 2018, algorithm 1), shared by every device so that they agree: how a matrix is cut
// into tiles, and the steps by which inverse roots are found.
//
// An inverse fourth root is taken from eigenvectors, by the one-sided Jacobi method (Hestenes 1958): rotations V make
// the rows of B = V A orthogonal, two rows at a time. B B' = V A^2 V' is diagonal then, and as A has no negative
// eigenvalues, so is V A V'. Only rows are read and written, many pairs of them at once; V stays orthogonal to rounding
// however ill-conditioned A is.
#pragma once

#include "call.h"
#include "numeric.h"

namespace cap {

// Most rows and columns of a tile; the same number is in capacity/engine/tiles.py.
constexpr int kTile = 64;

namespace CAP_PATH {

// Rows `row` .. row + rows, columns `col` .. col + cols of a matrix. In the states its left factor (rows, rows) begins
// at `offset`, and its right factor (cols, cols) follows.
struct Tile {
  int64_t row, col;
  int rows, cols;
  int64_t offset;
};

CAP_INLINE int64_t tiles_along(int64_t n) { return (n + kTile - 1) / kTile; }
CAP_INLINE int64_t tile_count(int64_t rows, int64_t cols) { return tiles_along(rows) * tiles_along(cols); }
CAP_INLINE int tile_length(int64_t n, int64_t begin) { return int(n - begin < kTile ? n - begin : kTile); }

// Tile number t of a matrix (rows, cols), row by row.
CAP_INLINE Tile tile_of(int64_t rows, int64_t cols, int64_t t) {
  const int64_t across = tiles_along(cols), i = t / across, j = t % across, whole = int64_t(kTile) * kTile;
  const int64_t last = cols - (across - 1) * kTile;  // columns of the last tile of a row
  Tile tile;
  tile.row = i * kTile;
  tile.col = j * kTile;
  tile.rows = tile_length(rows, tile.row);
  tile.cols = tile_length(cols, tile.col);
  const int64_t left = int64_t(tile.rows) * tile.rows;
  tile.offset = i * (across * whole + (across - 1) * whole + last * last) + j * (left + whole);
  return tile;
}

template <class T>
struct Jacobi;

// Cosines of the angle between two rows: what is taken for orthogonal, and what lets a sweep be the last one, since the
// next would find its square. A product of rows below `noise`, the square of what rounding leaves of a matrix of trace
// 1, tells nothing: without it, the many rows of a matrix of low rank that are rounding alone would be turned for long.
template <>
struct Jacobi<float> {
  static constexpr float orthogonal = 2.5e-7f, settled = 3e-5f, noise = 6e-14f;
  static constexpr float least = 1e-30f;  // of a trace: below it the matrix is taken for 0
};
template <>
struct Jacobi<double> {
  static constexpr double orthogonal = 5e-16, settled = 1e-9, noise = 2e-31;
  static constexpr double least = 1e-290;
};

constexpr int kSweeps = 30;  // some ten are needed

struct Pair {
  int p, q;
};

// Pair number k < players / 2 of a round < players - 1, in which every row meets another (the circle method: the last
// player stays where it is). `players` is even; after all rounds each has met each.
CAP_INLINE Pair pair_of(int round, int k, int players) {
  const int others = players - 1;
  if (k == 0) return {round, others};
  const int p = round + k, q = round - k;
  return {p < others ? p : p - others, q < 0 ? q + others : q};
}

CAP_INLINE int players_of(int n) { return n + n % 2; }

// What makes rows x and y orthogonal: x <- cosine x - sine y, y <- sine x + cosine y. `off` is the cosine of the angle
// between them before.
template <class T>
struct Rotation {
  T cosine, sine, off;
};

// From x x', y y' and x y'.
template <class T>
CAP_INLINE Rotation<T> rotation_of(T xx, T yy, T xy) {
  const T lengths = square_root(xx) * square_root(yy), size = xy < T(0) ? -xy : xy;
  const T off = size > Jacobi<T>::noise ? size / lengths : T(0);
  if (!(off > Jacobi<T>::orthogonal)) return {T(1), T(0), off};
  const T zeta = (yy - xx) / (T(2) * xy), steep = zeta < T(0) ? -zeta : zeta;
  const T tangent = (zeta < T(0) ? T(-1) : T(1)) / (steep + square_root(T(1) + zeta * zeta));
  const T cosine = T(1) / square_root(T(1) + tangent * tangent);
  return {cosine, cosine * tangent, off};
}

// What a matrix of this trace is multiplied by, so that squares neither overflow nor vanish; NaN where it is not
// finite.
template <class T>
CAP_INLINE T scale_of(T trace) {
  return trace - trace != T(0) ? trace - trace : trace > Jacobi<T>::least ? T(1) / trace : T(0);
}

// What a row v of V is multiplied by to be a row of U, of which U' U = (A + epsilon)^(-1/4): (a + epsilon)^(-1/8) / |v|
// with a = `along` / v v' the eigenvalue, which rounding may have made negative. Many rotations have changed |v| a
// little.
template <class T>
CAP_INLINE T root_factor(T along, T vv, T epsilon) {
  const T x = (along > T(0) ? along / vv : T(0)) + epsilon;
  return T(1) / (square_root(square_root(square_root(x))) * square_root(vv));
}

}  // namespace CAP_PATH
}  // namespace cap
