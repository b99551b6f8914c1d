// The product on tensor cores, with bias and activation, or the activation's derivative, applied on its way to memory.
// A block of 4 warps computes a tile of 64 x 64 of one replica (blockIdx.y), a warp 32 x 32 of it. Any m, n, k;
// elements are loaded and stored one by one, so that nothing need be aligned to more than 4 bytes.
#pragma once

#include "../common/activations.h"
#include "tensor_core.h"
#include "tensor_product.h"

namespace cap {
namespace CAP_PATH {

constexpr int kWords = 16;     // of the axis summed over, what is in shared memory at once
constexpr int kWarpTile = 32;  // a warp's rows and columns of c
constexpr int kCoreRows = 16, kCoreCols = 8, kCoreWords = 8;
constexpr int kTilePitch = kTile + 8;  // of c in shared memory
constexpr int kDown = kWarpTile / kCoreRows, kAcross = kWarpTile / kCoreCols;

// An operand's tile: kTile lines (rows of a, columns of b) by kWords of the axis summed over, which is or is not the
// one that is `contiguous` in memory. Shared memory keeps that order, with a pitch by which the 32 words of a fragment
// are in 32 banks. Threads go along the contiguous axis; each carries `mine` words, `step` apart along the other.
template <class Math, bool contiguous>
struct Panel {
  static constexpr int depth = kWords * Math::per_word;
  static constexpr int width = contiguous ? kWords : kTile;
  static constexpr int height = contiguous ? kTile : kWords;
  static constexpr int pitch = contiguous ? kWords + 4 : kTile + 8;
  static constexpr int words = pitch * height;
  static constexpr int step = kTensorThreads / width, mine = height / step;
  typedef float Values[mine][Math::per_word];  // on their way from global to shared memory

  CAP_INLINE int place(int line, int word) { return contiguous ? line * pitch + word : word * pitch + line; }
  CAP_INLINE int across() { return int(threadIdx.x) % width; }
  CAP_INLINE int down(int i) { return int(threadIdx.x) / width + i * step; }

  // The tile whose corner is `corner`, where `lines` lines and `left` numbers of the axis summed over are left; zeros
  // beyond.
  CAP_INLINE void load(Values& values, const float* corner, int64_t ld, int64_t lines, int64_t left) {
    for (int i = 0; i < mine; ++i) {
      const int line = contiguous ? down(i) : across(), word = contiguous ? across() : down(i);
      for (int e = 0; e < Math::per_word; ++e) {
        const int at = word * Math::per_word + e;
        values[i][e] = line < lines && at < left ? corner[contiguous ? line * ld + at : at * ld + line] : 0.0f;
      }
    }
  }

  CAP_INLINE void store(const Values& values, uint32_t* words) {
    for (int i = 0; i < mine; ++i) words[down(i) * pitch + across()] = Math::word(values[i]);
  }
};

// What a thread holds of its warp's part of c: 2 x 4 pieces of 16 x 8 (see tensor_core.h).
typedef float Sums[kDown][kAcross][4];

CAP_INLINE int warp() { return int(threadIdx.x) / 32; }
CAP_INLINE int group() { return int(threadIdx.x) % 32 / 4; }
CAP_INLINE int member() { return int(threadIdx.x) % 4; }
CAP_INLINE int first_row() { return warp() / 2 * kWarpTile + group(); }  // in the tile, of the first piece
CAP_INLINE int first_col() { return warp() % 2 * kWarpTile; }

// Adds to the sums what the words in shared memory give.
template <class Math, class A, class B>
CAP_INLINE void multiply(Sums& sums, const uint32_t* a_words, const uint32_t* b_words) {
  for (int w = 0; w < kWords; w += kCoreWords) {
    const int near = w + member(), far = near + kCoreWords / 2;
    uint32_t a[kDown][4], b[kAcross][2];
    for (int i = 0; i < kDown; ++i) {
      const int row = first_row() + i * kCoreRows;
      a[i][0] = a_words[A::place(row, near)];
      a[i][1] = a_words[A::place(row + kCoreRows / 2, near)];
      a[i][2] = a_words[A::place(row, far)];
      a[i][3] = a_words[A::place(row + kCoreRows / 2, far)];
    }
    for (int j = 0; j < kAcross; ++j) {
      const int col = first_col() + j * kCoreCols + group();
      b[j][0] = b_words[B::place(col, near)];
      b[j][1] = b_words[B::place(col, far)];
    }
    for (int i = 0; i < kDown; ++i) {
      for (int j = 0; j < kAcross; ++j) Math::multiply(sums[i][j], a[i], b[j]);
    }
  }
}

// Puts the sums into the tile of c in shared memory, from where rows leave whole.
CAP_INLINE void gather_tile(const Sums& sums, float* tile) {
  for (int i = 0; i < kDown; ++i) {
    for (int j = 0; j < kAcross; ++j) {
      for (int e = 0; e < 4; ++e) {
        const int row = first_row() + i * kCoreRows + e / 2 * (kCoreRows / 2);
        const int col = first_col() + j * kCoreCols + 2 * member() + e % 2;
        tile[row * kTilePitch + col] = sums[i][j][e];
      }
    }
  }
}

// Bias and activation, or the activation's derivative, on the way from the tile at (row0, col0) to c.
template <bool backward, class Activation>
CAP_INLINE void finish(const TensorProduct& p, const float* tile, int64_t row0, int64_t col0) {
  const int64_t r = blockIdx.y;
  const float* side = p.side.first ? p.side.first + r * p.side.stride : nullptr;
  float* z = p.z.first ? p.z.first + r * p.z.stride : nullptr;
  float* c = p.c.first + r * p.c.stride;
  for (int i = int(threadIdx.x); i < kTile * kTile; i += kTensorThreads) {
    const int64_t row = row0 + i / kTile, col = col0 + i % kTile;
    if (row >= p.m || col >= p.n) continue;
    const float sum = tile[i / kTile * kTilePitch + i % kTile];
    if (backward) {
      c[row * p.c.ld + col] = side ? sum * Activation::derivative(side[row * p.side.ld + col]) : sum;
    } else {
      const float v = sum + side[col];
      if (z) z[row * p.z.ld + col] = v;
      c[row * p.c.ld + col] = Activation::value(v);
    }
  }
}

// Two tiles of each operand in shared memory: while one is multiplied, the next comes from global memory.
template <class Math, bool backward>
CAP_INLINE void tensor_product(const TensorProduct& p) {
  typedef Panel<Math, true> A;
  typedef Panel<Math, backward> B;
  __shared__ uint32_t a_words[2][A::words];
  __shared__ uint32_t b_words[2][B::words];
  __shared__ float tile[kTile * kTilePitch];
  const int64_t tiles_down = (p.m + kTile - 1) / kTile;  // blocks that share columns of b are neighbours
  const int64_t row0 = blockIdx.x % tiles_down * kTile, col0 = blockIdx.x / tiles_down * kTile;
  const float* a = p.a.first + blockIdx.y * p.a.stride + row0 * p.a.ld;
  const float* b = p.b.first + blockIdx.y * p.b.stride + (backward ? col0 * p.b.ld : col0);
  const int64_t b_step = A::depth * (backward ? 1 : p.b.ld);
  typename A::Values a_values;
  typename B::Values b_values;
  Sums sums = {};
  int now = 0;
  A::load(a_values, a, p.a.ld, p.m - row0, p.k);
  B::load(b_values, b, p.b.ld, p.n - col0, p.k);
  A::store(a_values, a_words[0]);
  B::store(b_values, b_words[0]);
  __syncthreads();
  for (int64_t left = p.k; left > 0; left -= A::depth, now = 1 - now) {
    const bool more = left > A::depth;
    if (more) {
      a += A::depth;
      b += b_step;
      A::load(a_values, a, p.a.ld, p.m - row0, left - A::depth);
      B::load(b_values, b, p.b.ld, p.n - col0, left - A::depth);
    }
    multiply<Math, A, B>(sums, a_words[now], b_words[now]);
    if (more) {
      A::store(a_values, a_words[1 - now]);
      B::store(b_values, b_words[1 - now]);
    }
    __syncthreads();
  }
  gather_tile(sums, tile);
  __syncthreads();
  with_activation(p.activation, [&](auto f) { finish<backward, decltype(f)>(p, tile, row0, col0); });
}

}  // namespace CAP_PATH
}  // namespace cap
