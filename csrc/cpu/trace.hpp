// Updates that also add up the sums of a trajectory (csrc/common/trace.h): in one pass, while what they need of a
// chunk of parameters is in the nearest cache.
#pragma once

#include "../common/trace.h"
#include "vector.hpp"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace cap {
namespace CAP_PATH {

// Parameter i of a block is added to lane i % kTraceLanes of each sum, on every path.
constexpr int kTraceLanes = 8;
constexpr int kTraceChunk = 256;  // parameters between their update and their sums; a multiple of the lanes

// A register of doubles. On AVX-512 half of one: whole ones make the same loop 10 % slower (Zen 5).
constexpr int kDoubles = kVectorBytes >= 32 ? 4 : 2;
typedef double Doubles __attribute__((vector_size(kDoubles * sizeof(double))));

CAP_INLINE Doubles widened(const double* from) {
  Doubles v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
#if defined(__AVX2__)  // GCC takes __builtin_convertvector apart
CAP_INLINE Doubles widened(const float* from) { return Doubles(_mm256_cvtps_pd(_mm_loadu_ps(from))); }
#elif defined(__SSE2__)
CAP_INLINE Doubles widened(const float* from) {
  return Doubles(_mm_cvtps_pd(_mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)))));
}
#else
CAP_INLINE Doubles widened(const float* from) {
  typedef float Floats __attribute__((vector_size(kDoubles * sizeof(float))));
  Floats v;
  std::memcpy(&v, from, sizeof v);
  return __builtin_convertvector(v, Doubles);
}
#endif

// The sums of one block so far.
struct TraceLanes {
  static constexpr int vectors = kTraceLanes / kDoubles;
  Doubles sums[kTraceSums][vectors] = {};
};

// Adds as many parameters as there are lanes.
template <class T>
CAP_INLINE void add_lanes(TraceLanes& t, const T* before, const T* after, const T* gradient, const T* anchor) {
#pragma GCC unroll 4
  for (int v = 0; v < TraceLanes::vectors; ++v) {
    const int i = v * kDoubles;
    const Doubles w = widened(before + i), g = widened(gradient + i);
    const Doubles step = widened(after + i) - w, distance = w - widened(anchor + i);
    t.sums[kGradient][v] += g * g;
    t.sums[kStep][v] += step * step;
    t.sums[kAlong][v] += distance * g;
    t.sums[kDistance][v] += distance * distance;
  }
}

// Adds n parameters, n a multiple of the lanes unless they are the block's last. Meanwhile the next chunk is fetched: a
// processor looks ahead by less than a chunk, so that memory would wait for the sums, and then the sums for memory.
template <class T>
CAP_INLINE void add_chunk(TraceLanes& t, const T* before, const T* after, const T* gradient, const T* anchor,
                          int64_t n) {
  int64_t i = 0;
  for (; i + kTraceLanes <= n; i += kTraceLanes) {
    for (const T* next : {after, gradient, anchor}) __builtin_prefetch(next + i + kTraceChunk);
    add_lanes(t, before + i, after + i, gradient + i, anchor + i);
  }
  if (i == n) return;
  T rest[4][kTraceLanes] = {};  // zeros add nothing
  const T* const from[4] = {before, after, gradient, anchor};
  for (int a = 0; a < 4; ++a) std::memcpy(rest[a], from[a] + i, size_t(n - i) * sizeof(T));
  add_lanes(t, rest[0], rest[1], rest[2], rest[3]);
}

// to (kTraceSums,) <- the lanes of each sum, one after the other.
CAP_INLINE void join_lanes(const TraceLanes& t, double* to) {
  for (int q = 0; q < kTraceSums; ++q) {
    double lanes[kTraceLanes];
    std::memcpy(lanes, t.sums[q], sizeof lanes);
    to[q] = lanes[0];
    for (int l = 1; l < kTraceLanes; ++l) to[q] += lanes[l];
  }
}

// Where a traced update reads and writes: sums (blocks, kTraceSums), anchor (n,). Both absent: not traced.
template <class T>
struct Trace {
  double* sums;
  const T* anchor;
};

// Updates this share of w (n,) by its gradient g (n,), and adds up. `update(begin, end)` changes w[begin .. end) and
// what belongs to the optimizer; an element must not depend on where a piece begins.
template <class T, class Update>
CAP_INLINE void run_update(Share share, int64_t n, const T* w, const T* g, const Trace<T>& trace, Update update) {
  if (!trace.sums) {
    const Span s = span(share, n);
    return update(s.begin, s.end);
  }
  const Span s = span(share, n, kTraceBlock);
  for (int64_t block = s.begin; block < s.end; block += kTraceBlock) {
    const int64_t end = smaller(block + kTraceBlock, s.end);
    TraceLanes lanes;
    for (int64_t i = block; i < end; i += kTraceChunk) {
      const int64_t count = smaller(kTraceChunk, end - i);
      alignas(64) T before[kTraceChunk];
      std::memcpy(before, w + i, size_t(count) * sizeof(T));
      update(i, i + count);
      add_chunk(lanes, before, w + i, g + i, trace.anchor + i, count);
    }
    join_lanes(lanes, trace.sums + block / kTraceBlock * kTraceSums);
  }
}

// The most threads that an update of its first operand is worth.
CAP_INLINE int64_t update_shares(const Call& c) {
  const int64_t n = elements(c.operands[0]);
  return share_count(n, kElementShare, n);
}

}  // namespace CAP_PATH
}  // namespace cap
