// Matrix products through SciPy's BLAS. Cython hands the two functions over (capacity/engine/_blas.pyx), so nothing is
// linked here. Callers see to it that BLAS runs on one thread: the threads are ours.
#pragma once

#include <cstdint>

#include "../common/namespace.h"

namespace cap {

template <class T>
using Gemm = void (*)(char* transa, char* transb, int* m, int* n, int* k, T* alpha, T* a, int* lda, T* b, int* ldb,
                      T* beta, T* c, int* ldc);

struct Blas {
  Gemm<float> sgemm = nullptr;
  Gemm<double> dgemm = nullptr;
};

extern Blas blas;

CAP_INLINE Gemm<float> gemm_of(float) { return blas.sgemm; }
CAP_INLINE Gemm<double> gemm_of(double) { return blas.dgemm; }

// C (m, n) = alpha op(A) op(B) + beta C, all row-major; op(A) is (m, k), op(B) is (k, n). BLAS is column-major, where
// the same memory is C' = op(B)' op(A)'. With beta = 0, C is not read.
template <class T>
CAP_INLINE void gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, T alpha, const T* a,
                     int64_t lda, const T* b, int64_t ldb, T beta, T* c, int64_t ldc) {
  char ta = transpose_a ? 'T' : 'N', tb = transpose_b ? 'T' : 'N';
  int m_ = int(m), n_ = int(n), k_ = int(k), lda_ = int(lda), ldb_ = int(ldb), ldc_ = int(ldc);
  gemm_of(T())(&tb, &ta, &n_, &m_, &k_, &alpha, const_cast<T*>(b), &ldb_, const_cast<T*>(a), &lda_, &beta, c, &ldc_);
}

}  // namespace cap
