// Matrix products for the dense layers. Sizes where a BLAS spends its time on the call and on packing, and processors
// whose width SciPy's BLAS does not use, are served by the register-blocked product below; the rest goes to that BLAS.
//
//   C (m, n) = alpha op(A) op(B) + beta C, all row-major; op(A) is (m, k), op(B) is (k, n). With beta = 0, C is not
//   read.
//
// A block of kDepth x kColumns of op(B) is packed (contiguous, padded with zeros), then every kRows rows of op(A) run
// over it: one vector of C per accumulator, elements of A broadcast. op(A) is read in place where its rows are
// contiguous; a transposed A is packed, kTall rows at a time. The order of the sums depends on shapes only.
#pragma once

#include <cstring>

#include "blas.hpp"
#include "frame.hpp"
#include "tiles.hpp"

namespace cap {
namespace CAP_PATH {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64, kRows = 8, kVectors = 3;  // 24 accumulators of 32 registers
#elif defined(__AVX__)
constexpr int kVectorBytes = 32, kRows = 4, kVectors = 3;  // 12 accumulators of 16 registers
#else
constexpr int kVectorBytes = 16, kRows = 4, kVectors = 3;
#endif

constexpr int64_t kDepth = 512, kTall = 256;  // a packed block of A takes at most half of a 1 MB cache in float32

template <class T>
constexpr int kLanesOf = kVectorBytes / int(sizeof(T));

// Up to so many multiply-adds our product is used on every path; with 64-byte vectors, always.
constexpr int64_t kOwnProduct = int64_t(1) << 15;

static_assert(kDepth * (kTall + kVectors * kVectorBytes / 4) <= kScratchElements, "packed blocks must fit");

template <class T>
struct Wide {
  typedef T type __attribute__((vector_size(kVectorBytes)));
};

template <class T>
CAP_INLINE typename Wide<T>::type load(const T* from) {
  typename Wide<T>::type v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

// op(A): row i begins at a + i / kRows * group + i % kRows * row, and its elements are `col` apart.
template <class T>
struct Left {
  const T* a;
  int64_t group, row, col;
  const T* at(int64_t i) const { return a + i / kRows * group + i % kRows * row; }
};

// C (rows, columns) = alpha A B + beta C, with B packed `vectors` vectors wide.
template <class T, int rows, int vectors>
static void micro_product(const T* a, int64_t row, int64_t col, const T* packed, int64_t depth, T alpha, T beta, T* c,
                          int64_t ldc, int64_t columns) {
  using V = typename Wide<T>::type;
  constexpr int lanes = kLanesOf<T>, width = vectors * lanes;
  V sums[rows][vectors] = {};
  for (int64_t p = 0; p < depth; ++p, a += col, packed += width) {
    V b[vectors];
#pragma GCC unroll 3
    for (int v = 0; v < vectors; ++v) b[v] = load(packed + v * lanes);
#pragma GCC unroll 8
    for (int i = 0; i < rows; ++i) {
      const T x = a[i * row];
#pragma GCC unroll 3
      for (int v = 0; v < vectors; ++v) sums[i][v] += x * b[v];
    }
  }
  for (int i = 0; i < rows; ++i, c += ldc) {
    T edge[width] = {};  // stands in for a row of C that is narrower than the vectors
    T* out = columns == width ? c : edge;
    if (out == edge && beta != T(0)) std::memcpy(edge, c, size_t(columns) * sizeof(T));
    for (int v = 0; v < vectors; ++v) {
      V result = alpha * sums[i][v];
      if (beta != T(0)) result += beta * load(out + v * lanes);
      std::memcpy(out + v * lanes, &result, sizeof result);
    }
    if (out == edge) std::memcpy(c, edge, size_t(columns) * sizeof(T));
  }
}

// All m rows of C against one packed block: kRows rows at a time, then 4, 2 and 1.
template <class T, int vectors>
static void panel_product(const Left<T>& left, int64_t m, const T* packed, int64_t depth, T alpha, T beta, T* c,
                          int64_t ldc, int64_t columns) {
  int64_t i = 0;
  const auto rows = [&](auto count) {
    micro_product<T, count, vectors>(left.at(i), left.row, left.col, packed, depth, alpha, beta, c + i * ldc, ldc,
                                     columns);
    i += count;
  };
  while (i + kRows <= m) rows(std::integral_constant<int, kRows>());
  if (kRows > 4 && i + 4 <= m) rows(std::integral_constant<int, 4>());
  if (i + 2 <= m) rows(std::integral_constant<int, 2>());
  if (i < m) rows(std::integral_constant<int, 1>());
}

// Copies n elements, `n` being `whole` nearly always: then the size is known when compiled, and no call is made.
template <int64_t whole, class T>
CAP_INLINE void copy(T* to, const T* from, int64_t n) {
  if (n == whole) {
    std::memcpy(to, from, whole * sizeof(T));
  } else {
    for (int64_t i = 0; i < n; ++i) to[i] = from[i];
  }
}

// packed (depth, vectors wide) <- op(B) (depth, columns), zeros in the columns past `columns`.
template <class T, int vectors>
static void pack_right(T* packed, bool transposed, const T* b, int64_t ldb, int64_t depth, int64_t columns) {
  constexpr int64_t width = vectors * kLanesOf<T>;
  if (columns < width) std::memset(packed, 0, size_t(depth * width) * sizeof(T));
  if (transposed) {
    for (int64_t j = 0; j < columns; ++j) {
      for (int64_t p = 0; p < depth; ++p) packed[p * width + j] = b[j * ldb + p];
    }
  } else {
    for (int64_t p = 0; p < depth; ++p) copy<width>(packed + p * width, b + p * ldb, columns);
  }
}

// packed <- A' (m, depth) from A (depth, m), in groups of kRows rows: element (i, p) at [i / kRows][p][i % kRows].
template <class T>
static void pack_left(T* packed, const T* a, int64_t lda, int64_t m, int64_t depth) {
  for (int64_t i = 0; i < m; i += kRows, packed += depth * kRows) {
    const int64_t rows = smaller(kRows, m - i);
    for (int64_t p = 0; p < depth; ++p) copy<kRows>(packed + p * kRows, a + p * lda + i, rows);
  }
}

// All of C's rows and up to `vectors` vectors of its columns.
template <class T, int vectors>
static void column_product(const Left<T>& left, int64_t m, bool transpose_b, const T* b, int64_t ldb, int64_t depth,
                           T alpha, T beta, T* c, int64_t ldc, int64_t columns, T* packed) {
  pack_right<T, vectors>(packed, transpose_b, b, ldb, depth, columns);
  panel_product<T, vectors>(left, m, packed, depth, alpha, beta, c, ldc, columns);
}

template <class T>
static void own_product(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, T alpha, const T* a,
                        int64_t lda, const T* b, int64_t ldb, T beta, T* c, int64_t ldc, T* scratch) {
  constexpr int64_t lanes = kLanesOf<T>, widest = kVectors * lanes;
  T* const packed_a = scratch;
  T* const packed_b = scratch + kDepth * kTall;
  const int64_t tall = transpose_a ? kTall : m;
  for (int64_t p = 0; p < k; p += kDepth, beta = T(1)) {
    const int64_t depth = smaller(kDepth, k - p);
    for (int64_t i = 0; i < m; i += tall) {
      const int64_t rows = smaller(tall, m - i);
      Left<T> left = {a + i * lda + p, kRows * lda, lda, 1};
      if (transpose_a) {
        pack_left(packed_a, a + p * lda + i, lda, rows, depth);
        left = {packed_a, kRows * depth, 1, kRows};
      }
      for (int64_t j = 0; j < n; j += widest) {
        const int64_t columns = smaller(widest, n - j), vectors = (columns + lanes - 1) / lanes;
        const T* from = transpose_b ? b + j * ldb + p : b + p * ldb + j;
        const auto run = vectors == 3   ? column_product<T, 3>
                         : vectors == 2 ? column_product<T, 2>
                                        : column_product<T, 1>;
        run(left, rows, transpose_b, from, ldb, depth, alpha, beta, c + i * ldc + j, ldc, columns, packed_b);
      }
    }
  }
}

// The one rule that chooses: see csrc/README.md for what it was measured from.
template <class T>
static void product(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, T alpha, const T* a,
                    int64_t lda, const T* b, int64_t ldb, T beta, T* c, int64_t ldc, T* scratch) {
  if (kVectorBytes == 64 || m * n * k <= kOwnProduct) {
    own_product(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, scratch);
  } else {
    gemm(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  }
}

}  // namespace CAP_PATH
}  // namespace cap
