// The innermost part of the matrix products: a block of C that stays in registers while the sums run.
#pragma once

#include <type_traits>

#include "shares.hpp"
#include "vector.hpp"

namespace cap {
namespace CAP_PATH {

constexpr int kVectors = 3;  // most vectors of a row of C at once

// Rows of C at once beside so many vectors: as many sums as registers hold, with room for a row of B and an element of
// A.
constexpr int rows_for(int vectors) {
  if (kRegisters == 32) return vectors == 3 ? 8 : vectors == 2 ? 12 : 16;
  return vectors == 3 ? 4 : vectors == 2 ? 6 : 8;
}

// How factors are read and multiplied. Another such type has factors that are not of the type of the sums
// (product_bf16.cpp).
template <class T>
struct Plain {
  using Factor = T;
  using Sum = T;

  CAP_INLINE Vector<T> read(const T* b) { return load(b); }
  CAP_INLINE Vector<T> read(const T* b, int n) { return load_part(b, n); }
  CAP_INLINE void add(Vector<T>& sum, T a, const Vector<T>& b) { sum += a * b; }
};

// op(A) in place or packed: element (i, p) is at[i * row + p * col].
template <class F>
struct Left {
  const F* at;
  int64_t row, col;
};

// B in place or packed: rows `ld` apart. The last vector of a row has `last` columns, the others are whole. `start` is
// a row that the sums begin with, or none.
template <class F, class T>
struct Right {
  const F* at;
  int64_t ld;
  const T* start;
  int last;
};

// C = alpha (start + A B) + beta C for one block of `rows` x `vectors` vectors; with beta = 0, C is not read. `part`:
// the last vector is not whole.
template <class Math, int rows, int vectors, bool part, class F = typename Math::Factor, class T = typename Math::Sum>
static void block_product(const Left<F>& left, const Right<F, T>& right, int64_t depth, T alpha, T beta, T* c,
                          int64_t ldc) {
  constexpr int lanes = kLanesOf<T>;
  if (beta != T(0)) {
    for (int i = 0; i < rows; ++i) {
      for (int v = 0; v < vectors; ++v) __builtin_prefetch(c + i * ldc + v * lanes, 1);
    }
  }
  Vector<T> sums[rows][vectors] = {};
  if (right.start) {
#pragma GCC unroll 3
    for (int v = 0; v < vectors; ++v) {
      const T* const start = right.start + v * lanes;
      const Vector<T> row = part && v == vectors - 1 ? load_part(start, right.last) : load(start);
#pragma GCC unroll 16
      for (int i = 0; i < rows; ++i) sums[i][v] = row;
    }
  }
  const F *a = left.at, *b = right.at;
  for (int64_t p = 0; p < depth; ++p, a += left.col, b += right.ld) {
    Vector<F> row[vectors];
#pragma GCC unroll 3
    for (int v = 0; v < vectors; ++v) {
      row[v] = part && v == vectors - 1 ? Math::read(b + v * lanes, right.last) : Math::read(b + v * lanes);
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
      const F x = a[i * left.row];
#pragma GCC unroll 3
      for (int v = 0; v < vectors; ++v) Math::add(sums[i][v], x, row[v]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i, c += ldc) {
#pragma GCC unroll 3
    for (int v = 0; v < vectors; ++v) {
      T* to = c + v * lanes;
      Vector<T> result = alpha * sums[i][v];
      if (part && v == vectors - 1) {
        if (beta != T(0)) result += beta * load_part(to, right.last);
        store_part(to, result, right.last);
      } else {
        if (beta != T(0)) result += beta * load(to);
        store(to, result);
      }
    }
  }
}

// The same for m rows: as many at once as there are registers for, then 8, 4, 2 and 1.
template <class Math, int vectors, bool part, class F = typename Math::Factor, class T = typename Math::Sum>
static void panel_product(Left<F> left, int64_t m, const Right<F, T>& right, int64_t depth, T alpha, T beta, T* c,
                          int64_t ldc) {
  constexpr int most = rows_for(vectors);
  const auto rows = [&](auto count) {
    for (; m >= count; m -= count, left.at += count * left.row, c += count * ldc) {
      block_product<Math, count, vectors, part>(left, right, depth, alpha, beta, c, ldc);
    }
  };
  rows(std::integral_constant<int, most>());
  if constexpr (most > 8) rows(std::integral_constant<int, 8>());
  if constexpr (most > 4) rows(std::integral_constant<int, 4>());
  rows(std::integral_constant<int, 2>());
  rows(std::integral_constant<int, 1>());
}

// The same for `columns` columns, at most kVectors vectors of them.
template <class Math, class F = typename Math::Factor, class T = typename Math::Sum>
static void panel_product(const Left<F>& left, int64_t m, const F* b, int64_t ldb, const T* start, int64_t depth,
                          T alpha, T beta, T* c, int64_t ldc, int64_t columns) {
  constexpr int lanes = kLanesOf<T>;
  const int vectors = int((columns + lanes - 1) / lanes), last = int(columns - (vectors - 1) * lanes);
  const Right<F, T> right = {b, ldb, start, last};
  const auto run = [&](auto count) {
    const auto whole = panel_product<Math, count, false>, part = panel_product<Math, count, true>;
    (last == lanes ? whole : part)(left, m, right, depth, alpha, beta, c, ldc);
  };
  if (vectors == 3) return run(std::integral_constant<int, 3>());
  if (vectors == 2) return run(std::integral_constant<int, 2>());
  run(std::integral_constant<int, 1>());
}

}  // namespace CAP_PATH
}  // namespace cap
