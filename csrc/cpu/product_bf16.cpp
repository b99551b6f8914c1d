// Products of factors rounded to bfloat16. setup.py compiles this file, on the AVX-512 path, with the instructions of
// AVX512_BF16 where the compiler knows them; whether the processor does is asked in path.cpp.
//
// Two numbers that follow each other along the inner axis are packed into a word of 32 bits, the first in its lower
// half; an odd axis ends with a 0. One instruction multiplies 16 words and adds both products of each to a float32.
// That halves what is read as well, so here both factors are packed: A once, B a panel at a time.
#include "product_bf16.hpp"

#include "../common/bf16.h"
#include "register_block.hpp"

namespace cap {
namespace CAP_PATH {

namespace {

using Word = uint32_t;
using Words = Vector<Word>;
constexpr int kWords = kLanesOf<Word>;

// By instructions that every processor has, slowly: for tests. The same values, but for the rounding of sums.
struct Emulated {
  using Factor = Word;
  using Sum = float;

  static Word word(float first, float second) { return bf16_bits(first) | bf16_bits(second) << 16; }

  // Word l is (first[l], second[l]).
  static Words pair(const Vector<float>& first, const Vector<float>& second) {
    Words words;
    for (int l = 0; l < kWords; ++l) words[l] = word(first[l], second[l]);
    return words;
  }

  // The numbers of `first` and then of `second`, two to a word.
  static Words join(const Vector<float>& first, const Vector<float>& second) {
    float numbers[2 * kWords];
    store(numbers, first);
    store(numbers + kWords, second);
    Words words;
    for (int l = 0; l < kWords; ++l) words[l] = word(numbers[2 * l], numbers[2 * l + 1]);
    return words;
  }

  CAP_INLINE Words read(const Word* b, int = kWords) { return load(b); }

  CAP_INLINE Vector<float> lower(const Words& w) { return Vector<float>(w << 16); }
  CAP_INLINE Vector<float> upper(const Words& w) { return Vector<float>(w & 0xffff0000u); }

  CAP_INLINE void add(Vector<float>& sum, Word a, const Words& b) {
    const Words all = a + Words{};
    sum += upper(all) * upper(b);
    sum += lower(all) * lower(b);
  }
};

#if defined(__AVX512BF16__)
struct Native : Emulated {
  CAP_INLINE Words pair(const Vector<float>& first, const Vector<float>& second) {
    // The order of 32 halves: one of the first vector, one of the second, and so on.
    const __m512i order =
        _mm512_add_epi32(_mm512_set1_epi32(16 << 16),
                         _mm512_mullo_epi32(_mm512_set1_epi32(1 << 16 | 1),
                                            _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)));
    return Words(_mm512_permutexvar_epi16(order, __m512i(_mm512_cvtne2ps_pbh(__m512(second), __m512(first)))));
  }
  CAP_INLINE Words join(const Vector<float>& first, const Vector<float>& second) {
    return Words(__m512i(_mm512_cvtne2ps_pbh(__m512(second), __m512(first))));
  }
  CAP_INLINE void add(Vector<float>& sum, Word a, const Words& b) {
    sum = Vector<float>(_mm512_dpbf16_ps(__m512(sum), __m512bh(_mm512_set1_epi32(int(a))), __m512bh(b)));
  }
};
#else
using Native = Emulated;  // never asked for: see why_no_bf16() in path.cpp
#endif

constexpr int64_t kPairs = 256;                   // words of the inner axis at a time
constexpr int64_t kWidest = kVectors * kWords;    // of a panel of B
constexpr int64_t kTallest = 48;                  // of a panel of A that is transposed: a multiple of all rows_for()
constexpr int64_t kLeftWords = int64_t(1) << 17;  // of packed A
static_assert(kLeftWords + kPairs * kWidest <= kScratchElements, "packed blocks must fit");

// to (pairs, columns), rows ldt apart <- from (depth, columns), rows ldf apart. What is left of the last vector is 0.
template <class Math>
void pack_down(Word* to, int64_t ldt, const float* from, int64_t ldf, int64_t depth, int64_t columns) {
  for (int64_t p = 0; p < depth; p += 2, to += ldt, from += 2 * ldf) {
    for_vectors<float>(columns, [&](int64_t j, auto n) {
      const Vector<float> second = p + 1 < depth ? load(from + ldf + j, n) : Vector<float>{};
      store(to + j, Math::pair(load(from + j, n), second));
    });
  }
}

// A vector of words from the next `count` numbers, or 0 where these are fewer.
template <class Math>
CAP_INLINE Words join_next(const float* from, int64_t count) {
  if (count >= 2 * kWords) return Math::join(load(from), load(from + kWords));
  const int first = int(smaller(count, kWords));
  return Math::join(load_part(from, first),
                    count > kWords ? load_part(from + kWords, int(count - kWords)) : Vector<float>{});
}

// to (rows, pairs), rows ldt apart, a multiple of vectors <- from (rows, depth), rows ldf apart.
template <class Math>
void pack_along(Word* to, int64_t ldt, const float* from, int64_t ldf, int64_t depth, int64_t rows) {
  for (int64_t r = 0; r < rows; ++r, to += ldt, from += ldf) {
    for (int64_t p = 0; p < depth; p += 2 * kWords) store(to + p / 2, join_next<Math>(from + p, depth - p));
  }
}

// to (pairs, columns), rows ldt apart <- from (columns, depth), rows ldf apart.
template <class Math>
void pack_across(Word* to, int64_t ldt, const float* from, int64_t ldf, int64_t depth, int64_t columns) {
  for (int64_t j = 0; j < columns; j += kWords) {
    for (int64_t p = 0; p < depth; p += 2 * kWords) {
      Words block[kWords];
#pragma GCC unroll 16
      for (int l = 0; l < kWords; ++l) {
        block[l] = j + l < columns ? join_next<Math>(from + (j + l) * ldf + p, depth - p) : Words{};
      }
      transpose<Word>(block);
      const int pairs = int(smaller(kWords, (depth - p + 1) / 2));
      for (int l = 0; l < pairs; ++l) store(to + (p / 2 + l) * ldt + j, block[l]);
    }
  }
}

template <class Math>
void product_of(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha, const float* a,
                int64_t lda, const float* b, int64_t ldb, float beta, float* c, int64_t ldc, float* scratch,
                const float* start) {
  Word* const left = reinterpret_cast<Word*>(scratch);
  Word* const right = left + kLeftWords;
  const int64_t panels = (n + kWidest - 1) / kWidest;
  for (int64_t p = 0; p < k; p += 2 * kPairs, beta = 1, start = nullptr) {
    const int64_t depth = smaller(2 * kPairs, k - p), pairs = (depth + 1) / 2;
    const int64_t row = (pairs + kWords - 1) / kWords * kWords;  // words from row to row of A as it is
    const int64_t tall = kLeftWords / row / kTallest * kTallest;
    for (int64_t i = 0; i < m; i += tall) {
      const int64_t rows = smaller(tall, m - i);
      if (transpose_a) {
        for (int64_t r = 0; r < rows; r += kTallest) {
          pack_down<Math>(left + r * pairs, kTallest, a + p * lda + i + r, lda, depth, smaller(kTallest, rows - r));
        }
      } else {
        pack_along<Math>(left, row, a + i * lda + p, lda, depth, rows);
      }
      for (int64_t panel = 0; panel < panels; ++panel) {
        const Span s = span(Share{int(panel), int(panels)}, n, kWords);
        if (transpose_b) {
          pack_across<Math>(right, kWidest, b + s.begin * ldb + p, ldb, depth, s.size());
        } else {
          pack_down<Math>(right, kWidest, b + p * ldb + s.begin, ldb, depth, s.size());
        }
        const int64_t height = transpose_a ? kTallest : rows;
        for (int64_t r = 0; r < rows; r += height) {
          const Left<Word> part = transpose_a ? Left<Word>{left + r * pairs, 1, kTallest} : Left<Word>{left, row, 1};
          panel_product<Math>(part, smaller(height, rows - r), right, kWidest, start ? start + s.begin : nullptr, pairs,
                              alpha, beta, c + (i + r) * ldc + s.begin, ldc, s.size());
        }
      }
    }
  }
}

}  // namespace

void product_bf16(Factors factors, bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha,
                  const float* a, int64_t lda, const float* b, int64_t ldb, float beta, float* c, int64_t ldc,
                  float* scratch, const float* start) {
  const auto run = factors == Factors::bf16 ? product_of<Native> : product_of<Emulated>;
  run(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, scratch, start);
}

}  // namespace CAP_PATH
}  // namespace cap
