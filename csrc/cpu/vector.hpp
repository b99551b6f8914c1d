// Vectors as wide as the registers of a path, whole and in part.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#include "../common/namespace.h"
#include "shares.hpp"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace cap {
namespace CAP_PATH {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64, kRegisters = 32;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32, kRegisters = 16;
#elif defined(__aarch64__)
constexpr int kVectorBytes = 16, kRegisters = 32;
#else
constexpr int kVectorBytes = 16, kRegisters = 16;
#endif

template <class T>
constexpr int kLanesOf = kVectorBytes / int(sizeof(T));

template <class T>
struct Wide {
  typedef T type __attribute__((vector_size(kVectorBytes)));
};
template <class T>
using Vector = typename Wide<T>::type;

template <class T>
CAP_INLINE Vector<T> load(const T* from) {
  Vector<T> v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

template <class T>
CAP_INLINE void store(T* to, const Vector<T>& v) {
  std::memcpy(to, &v, sizeof v);
}

// The first n lanes, 0 <= n <= lanes. The others are loaded as 0, and memory past them is neither read nor written.
#if defined(__AVX512F__)
CAP_INLINE Vector<float> load_part(const float* from, int n) {
  return Vector<float>(_mm512_maskz_loadu_ps(__mmask16((1u << n) - 1), from));
}
CAP_INLINE Vector<double> load_part(const double* from, int n) {
  return Vector<double>(_mm512_maskz_loadu_pd(__mmask8((1u << n) - 1), from));
}
CAP_INLINE void store_part(float* to, const Vector<float>& v, int n) {
  _mm512_mask_storeu_ps(to, __mmask16((1u << n) - 1), __m512(v));
}
CAP_INLINE void store_part(double* to, const Vector<double>& v, int n) {
  _mm512_mask_storeu_pd(to, __mmask8((1u << n) - 1), __m512d(v));
}
#elif defined(__AVX2__)
CAP_INLINE __m256i first_lanes(float, int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
CAP_INLINE __m256i first_lanes(double, int n) {
  return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
}
CAP_INLINE Vector<float> load_part(const float* from, int n) {
  return Vector<float>(_mm256_maskload_ps(from, first_lanes(0.0f, n)));
}
CAP_INLINE Vector<double> load_part(const double* from, int n) {
  return Vector<double>(_mm256_maskload_pd(from, first_lanes(0.0, n)));
}
CAP_INLINE void store_part(float* to, const Vector<float>& v, int n) {
  _mm256_maskstore_ps(to, first_lanes(0.0f, n), __m256(v));
}
CAP_INLINE void store_part(double* to, const Vector<double>& v, int n) {
  _mm256_maskstore_pd(to, first_lanes(0.0, n), __m256d(v));
}
#else
template <class T>
CAP_INLINE Vector<T> load_part(const T* from, int n) {
  T lanes[kLanesOf<T>] = {};
  for (int l = 0; l < n; ++l) lanes[l] = from[l];
  return load(lanes);
}
template <class T>
CAP_INLINE void store_part(T* to, const Vector<T>& v, int n) {
  for (int l = 0; l < n; ++l) to[l] = v[l];
}
#endif

// Calls f(i, n) for [0, count) in pieces of a vector: f(i, lanes) for whole ones, once f(i, n) with n < lanes for the
// rest. f takes `n` as a constant where it is one, so that its loops over lanes become single instructions.
template <class T, class F>
CAP_INLINE void for_vectors(int64_t count, F f) {
  constexpr int lanes = kLanesOf<T>;
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) f(i, std::integral_constant<int, lanes>());
  if (i < count) f(i, int(count - i));
}

// The same for the columns `s` of a matrix of `rows` rows, `columns` apart; whole rows are gone through in one.
template <class T, class F>
CAP_INLINE void for_block(int64_t rows, int64_t columns, Span s, F f) {
  if (s.size() == columns) return for_vectors<T>(rows * columns, f);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t first = r * columns + s.begin;
    for_vectors<T>(s.size(), [&](int64_t j, auto n) { f(first + j, n); });
  }
}

template <class T>
CAP_INLINE Vector<T> load(const T* from, std::integral_constant<int, kLanesOf<T>>) {
  return load(from);
}
template <class T>
CAP_INLINE Vector<T> load(const T* from, int n) {
  return load_part(from, n);
}
template <class T>
CAP_INLINE void store(T* to, const Vector<T>& v, std::integral_constant<int, kLanesOf<T>>) {
  store(to, v);
}
template <class T>
CAP_INLINE void store(T* to, const Vector<T>& v, int n) {
  store_part(to, v, n);
}

// f of every lane. The loop has a constant length and becomes vector instructions, if it is not unrolled before that.
template <class T, class F>
CAP_INLINE Vector<T> map(const Vector<T>& v, F f) {
  constexpr int lanes = kLanesOf<T>;
  T in[lanes], out[lanes];
  store(in, v);
#pragma GCC unroll 1
  for (int l = 0; l < lanes; ++l) out[l] = f(in[l]);
  return load(out);
}

// Rows `a` and `b` shuffled into each other: a0 b0 a1 b1 ...; `low` is the first half of that, `high` the second.
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define CAP_SHUFFLES 1
#endif
#endif
#ifdef CAP_SHUFFLES
template <class T, int... lane>
CAP_INLINE void interleave(const Vector<T>& a, const Vector<T>& b, Vector<T>& low, Vector<T>& high,
                           std::integer_sequence<int, lane...>) {
  constexpr int lanes = sizeof...(lane);
  low = __builtin_shufflevector(a, b, (lane / 2 + lane % 2 * lanes)...);
  high = __builtin_shufflevector(a, b, (lane / 2 + lane % 2 * lanes + lanes / 2)...);
}
#else
template <class T, int... lane>
CAP_INLINE void interleave(const Vector<T>& a, const Vector<T>& b, Vector<T>& low, Vector<T>& high,
                           std::integer_sequence<int, lane...>) {
  constexpr int half = int(sizeof...(lane)) / 2;
  Vector<T> first = {(lane % 2 ? b[lane / 2] : a[lane / 2])...};
  Vector<T> second = {(lane % 2 ? b[half + lane / 2] : a[half + lane / 2])...};
  low = first;
  high = second;
}
#endif

// Transposes as many rows as a vector has lanes: lane j of row i <-> lane i of row j. In each of log2(lanes) rounds
// every row is shuffled into the one that lies half the rows further.
template <class T>
CAP_INLINE void transpose(Vector<T> (&rows)[kLanesOf<T>]) {
  constexpr int lanes = kLanesOf<T>;
#pragma GCC unroll 4
  for (int round = 1; round < lanes; round *= 2) {
    Vector<T> next[lanes];
#pragma GCC unroll 8
    for (int i = 0; i < lanes / 2; ++i) {
      interleave<T>(rows[i], rows[i + lanes / 2], next[2 * i], next[2 * i + 1],
                    std::make_integer_sequence<int, lanes>());
    }
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) rows[i] = next[i];
  }
}

// block (lanes, vectors of `rows`) <- from (rows, columns), at most a vector of either, rows `ld` apart: lane r of
// block[j] is row r, column j.
template <class T>
CAP_INLINE void load_transposed(Vector<T>* block, const T* from, int64_t ld, int rows, int columns) {
  constexpr int lanes = kLanesOf<T>;
  Vector<T> v[lanes];
#pragma GCC unroll 16
  for (int l = 0; l < lanes; ++l) {
    v[l] = l >= rows ? Vector<T>{} : columns == lanes ? load(from + l * ld) : load_part(from + l * ld, columns);
  }
  transpose<T>(v);
  for (int j = 0; j < columns; ++j) block[j] = v[j];
}

// The other way: to (rows, columns) <- block.
template <class T>
CAP_INLINE void store_transposed(T* to, const Vector<T>* block, int64_t ld, int rows, int columns) {
  constexpr int lanes = kLanesOf<T>;
  Vector<T> v[lanes];
#pragma GCC unroll 16
  for (int l = 0; l < lanes; ++l) v[l] = l < columns ? block[l] : Vector<T>{};
  transpose<T>(v);
#pragma GCC unroll 16
  for (int l = 0; l < lanes; ++l) {
    if (l < rows && columns == lanes) store(to + l * ld, v[l]);
    if (l < rows && columns < lanes) store_part(to + l * ld, v[l], columns);
  }
}

}  // namespace CAP_PATH
}  // namespace cap
