// Tensor cores: C (16, 8) += A (16, 8 words) B (8 words, 8) by the 32 lanes of a warp, sums in float32. A word is what
// a register holds of the axis summed over: one TF32 number, or two of bfloat16, the first in the low half. All lanes
// must take part. Of lane l, with g = l / 4 and t = l % 4 (PTX ISA, "Matrix fragments for mma.m16n8k8" and "m16n8k16"):
//
//   a[0..3] = A[g][t], A[g + 8][t], A[g][t + 4], A[g + 8][t + 4]      (row, word)
//   b[0..1] = B[t][g], B[t + 4][g]                                    (word, column)
//   c[0..3] = C[g][2 t], C[g][2 t + 1], C[g + 8][2 t], C[g + 8][2 t + 1]
//
// This is the one file with PTX; a simulator brings these functions itself, in the namespace CAP_TENSOR_CORES.
#pragma once

#include "../common/namespace.h"

namespace cap {
namespace CAP_PATH {

#ifdef CAP_TENSOR_CORES
using CAP_TENSOR_CORES::multiply_bf16;
using CAP_TENSOR_CORES::multiply_tf32;
using CAP_TENSOR_CORES::round_bf16;
using CAP_TENSOR_CORES::round_tf32;
#else
// To the nearest; ties away from zero.
CAP_INLINE uint32_t round_tf32(float value) {
  uint32_t word;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(word) : "f"(value));
  return word;
}

// To the nearest; ties to even.
CAP_INLINE uint32_t round_bf16(float low, float high) {
  uint32_t word;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
}

CAP_INLINE void multiply_tf32(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

CAP_INLINE void multiply_bf16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#endif

// What products are rounded to; `per_word` numbers make a word.
struct Tf32 {
  static constexpr int per_word = 1;
  CAP_INLINE uint32_t word(const float (&values)[1]) { return round_tf32(values[0]); }
  CAP_INLINE void multiply(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) { multiply_tf32(c, a, b); }
};

struct Bf16 {
  static constexpr int per_word = 2;
  CAP_INLINE uint32_t word(const float (&values)[2]) { return round_bf16(values[0], values[1]); }
  CAP_INLINE void multiply(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) { multiply_bf16(c, a, b); }
};

}  // namespace CAP_PATH
}  // namespace cap
