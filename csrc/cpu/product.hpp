// Matrix products for the dense layers.
//
//   C (m, n) = alpha (start + op(A) op(B)) + beta C, all row-major; op(A) is (m, k), op(B) is (k, n). `start` (n,), or
//   none, is added to every row (with alpha = 1 and beta = 0). With beta = 0, C is not read.
//
// Ours goes through C in panels of up to kVectors vectors of columns, and through the sums kDepth at a time. A and B
// are read where they lie: a step's matrices are small enough for the second-level cache, and to pack them would take
// longer than it saves. Packed, in `scratch`, is what cannot be read well: a transposed B, and rows that lie a multiple
// of 4 KiB apart, which would all fall into the same few places of a cache. The order of the sums depends on shapes
// only.
#pragma once

#include "blas.hpp"
#include "frame.hpp"
#include "product_bf16.hpp"
#include "register_block.hpp"

namespace cap {
namespace CAP_PATH {

constexpr int64_t kDepth = 512, kTall = 256, kPad = 16;
constexpr int64_t kPackedLeft = kDepth * (kTall + kPad);

// Up to so many multiply-adds our product is used on every path; on those made for FMA, always.
constexpr int64_t kOwnProduct = int64_t(1) << 15;
#if defined(__FMA__)
constexpr bool kAlwaysOwn = true;
#else
constexpr bool kAlwaysOwn = false;
#endif

// Where a BLAS may be asked, it is asked for so many columns at a time: its result for a column may depend on how many
// it is given, and shares must not show. Shares of a product have their borders at multiples of this.
constexpr int64_t kColumns = kAlwaysOwn ? kUnit : 128;

CAP_INLINE int64_t product_shares(int64_t rows, int64_t depth, int64_t columns) {
  return share_count(rows * depth * columns, kProductShare, (columns + kColumns - 1) / kColumns);
}

static_assert(kPackedLeft + kDepth * kVectors * kVectorBytes / 4 <= kScratchElements, "packed blocks must fit");

template <class T>
CAP_INLINE bool rows_collide(int64_t ld) {
  return ld * int64_t(sizeof(T)) % 4096 == 0;
}

// to (rows, columns), rows ldt apart <- from (rows, columns), rows ldf apart.
template <class T>
static void copy_block(T* to, int64_t ldt, const T* from, int64_t ldf, int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; ++r, to += ldt, from += ldf) {
    for_vectors<T>(columns, [&](int64_t j, auto n) { store(to + j, load(from + j, n), n); });
  }
}

// to (columns, rows), rows ldt apart <- from (rows, columns) transposed, rows ldf apart.
template <class T>
static void transpose_block(T* to, int64_t ldt, const T* from, int64_t ldf, int64_t rows, int64_t columns) {
  constexpr int lanes = kLanesOf<T>;
  for (int64_t r = 0; r < rows; r += lanes) {
    const int height = int(smaller(lanes, rows - r));
    for_vectors<T>(columns, [&](int64_t j, auto n) {
      Vector<T> block[lanes];
#pragma GCC unroll 16
      for (int l = 0; l < lanes; ++l) block[l] = l < height ? load(from + (r + l) * ldf + j, n) : Vector<T>{};
      transpose<T>(block);
#pragma GCC unroll 16
      for (int l = 0; l < lanes; ++l) {
        if (l < n) store(to + (j + l) * ldt + r, block[l], height);
      }
    });
  }
}

// Panel number `panel` of `panels` over n columns: all have nearly the same number of vectors.
template <class T>
CAP_INLINE Span panel_columns(int64_t panel, int64_t panels, int64_t n) {
  return span(Share{int(panel), int(panels)}, n, kLanesOf<T>);
}

template <class T>
static void own_product(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, T alpha, const T* a,
                        int64_t lda, const T* b, int64_t ldb, T beta, T* c, int64_t ldc, T* scratch,
                        const T* start = nullptr) {
  constexpr int64_t lanes = kLanesOf<T>, widest = kVectors * lanes;
  const bool pack_left = transpose_a && rows_collide<T>(lda), pack_right = transpose_b || rows_collide<T>(ldb);
  const int64_t tall = pack_left ? kTall : m, panels = (n + widest - 1) / widest;
  for (int64_t p = 0; p < k; p += kDepth, beta = T(1), start = nullptr) {
    const int64_t depth = smaller(kDepth, k - p);
    for (int64_t i = 0; i < m; i += tall) {
      const int64_t rows = smaller(tall, m - i);
      Left<T> left = transpose_a ? Left<T>{a + p * lda + i, 1, lda} : Left<T>{a + i * lda + p, lda, 1};
      if (pack_left) {
        copy_block(scratch, kTall + kPad, left.at, lda, depth, rows);
        left = {scratch, 1, kTall + kPad};
      }
      for (int64_t panel = 0; panel < panels; ++panel) {
        const Span s = panel_columns<T>(panel, panels, n);
        const T* right = transpose_b ? b + s.begin * ldb + p : b + p * ldb + s.begin;
        if (pack_right) {
          T* const packed = scratch + kPackedLeft;
          if (transpose_b) {
            transpose_block(packed, widest, right, ldb, s.size(), depth);
          } else {
            copy_block(packed, widest, right, ldb, depth, s.size());
          }
          right = packed;
        }
        panel_product<Plain<T>>(left, rows, right, pack_right ? widest : ldb, start ? start + s.begin : nullptr, depth,
                                alpha, beta, c + i * ldc + s.begin, ldc, s.size());
      }
    }
  }
}

// C (m, n) = alpha A' B + beta C for n columns that fill less than a vector: B' A is computed, whose rows are long, and
// added transposed. With k <= kDepth, as long as micro-batches are (and beta 0 or 1), every bit is that of own_product,
// so that it does not show which of the two a share takes.
template <class T>
static void narrow_product(int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t lda, const T* b, int64_t ldb,
                           T beta, T* c, int64_t ldc, T* scratch) {
  constexpr int64_t lanes = kLanesOf<T>, most = kTall;
  T* const sums = scratch + kPackedLeft;
  for (int64_t i = 0; i < m; i += most) {
    const int64_t rows = smaller(most, m - i);
    own_product(true, false, n, rows, k, alpha, b, ldb, a + i, lda, T(0), sums, most, scratch);
    for (int64_t r = 0; r < rows; r += lanes) {
      Vector<T> block[lanes];
      const int height = int(smaller(lanes, rows - r));
#pragma GCC unroll 16
      for (int l = 0; l < lanes; ++l) block[l] = l < n ? load_part(sums + l * most + r, height) : Vector<T>{};
      transpose<T>(block);
      for (int l = 0; l < height; ++l) {
        T* row = c + (i + r + l) * ldc;
        const Vector<T> before = beta == T(0) ? Vector<T>{} : beta * load_part(row, int(n));
        store_part(row, before + block[l], int(n));
      }
    }
  }
}

// The one rule that chooses: see csrc/README.md for what it was measured from.
template <class T>
static void product(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, T alpha, const T* a,
                    int64_t lda, const T* b, int64_t ldb, T beta, T* c, int64_t ldc, const Frame<T>& f,
                    const T* start = nullptr) {
  if constexpr (std::is_same_v<T, float>) {
    if (f.factors != Factors::stored) {
      return product_bf16(f.factors, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, f.scratch,
                          start);
    }
  }
  const int64_t most = kAlwaysOwn ? n : kColumns;
  for (int64_t j = 0; j < n; j += most) {
    const int64_t columns = smaller(most, n - j);
    const T* const right = b + j * (transpose_b ? ldb : 1);
    const T* const row = start ? start + j : nullptr;
    if (!kAlwaysOwn && m * columns * k > kOwnProduct) {
      for (int64_t i = 0; row && i < m; ++i) std::memcpy(c + i * ldc + j, row, size_t(columns) * sizeof(T));
      gemm(transpose_a, transpose_b, m, columns, k, alpha, a, lda, right, ldb, row ? T(1) : beta, c + j, ldc);
    } else if (transpose_a && !transpose_b && columns < kLanesOf<T> && m >= kLanesOf<T>) {
      narrow_product(m, columns, k, alpha, a, lda, right, ldb, beta, c + j, ldc, f.scratch);
    } else {
      own_product(transpose_a, transpose_b, m, columns, k, alpha, a, lda, right, ldb, beta, c + j, ldc, f.scratch, row);
    }
  }
}

}  // namespace CAP_PATH
}  // namespace cap
