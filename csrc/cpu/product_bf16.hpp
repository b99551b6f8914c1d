// The mode of the matrix products in which the factors, of float32, are rounded to bfloat16 and the sums are float32.
#pragma once

#include "frame.hpp"

namespace cap {
namespace CAP_PATH {

// As product() in product.hpp. `factors` is Factors::bf16, on processors with AVX512_BF16, or Factors::bf16_emulated.
void product_bf16(Factors factors, bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha,
                  const float* a, int64_t lda, const float* b, int64_t ldb, float beta, float* c, int64_t ldc,
                  float* scratch, const float* start);

}  // namespace CAP_PATH
}  // namespace cap
