// A stand-in for cuBLAS: the functions that capacity calls, with cuBLAS's column-major meaning, on the host's memory.
// What is enqueued is kept, and handed by number to a callback, which runs it or captures it.
#include <stdint.h>
#include <stdlib.h>

typedef struct {
  const char* stream;
  const void* workspace;
} Handle;

typedef struct {
  int is_double, op_a, op_b;
  int64_t m, n, k, lda, ldb, ldc, batch;
  long long stride_a, stride_b, stride_c;
  double alpha, beta;
  const void *a, *b;
  void* c;
} Product;

static Product* products;
static int count;
static void (*on_product)(int number, int64_t stream);

enum { kSuccess = 0, kNotInitialized = 1, kInvalidValue = 7 };

int fake_handles;

void fake_on_product(void (*callback)(int, int64_t)) { on_product = callback; }

int cublasCreate_v2(Handle** handle) {
  *handle = calloc(1, sizeof(Handle));
  fake_handles++;
  return kSuccess;
}

int cublasDestroy_v2(Handle* handle) {
  free(handle);
  fake_handles--;
  return kSuccess;
}

int cublasSetMathMode(Handle* handle, int mode) { return handle && mode == 0 ? kSuccess : kInvalidValue; }

int cublasSetStream_v2(Handle* handle, const char* stream) {
  handle->stream = stream;
  handle->workspace = NULL;
  return kSuccess;
}

int cublasSetWorkspace_v2(Handle* handle, const void* workspace, size_t bytes) {
  if ((uintptr_t)workspace % 256 || bytes < 4 << 20) return kInvalidValue;
  handle->workspace = workspace;
  return kSuccess;
}

int cublasGetVersion_v2(Handle* handle, int* version) {
  *version = 120903;
  return handle ? kSuccess : kNotInitialized;
}

const char* cublasGetStatusName(int status) {
  return status == kInvalidValue ? "CUBLAS_STATUS_INVALID_VALUE" : "CUBLAS_STATUS_NOT_INITIALIZED";
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

static int enqueue(Handle* handle, Product p) {
  if (!handle->workspace) return kNotInitialized;  // it would allocate one, in the midst of a capture
  if (p.lda < larger(1, p.op_a ? p.k : p.m) || p.ldb < larger(1, p.op_b ? p.n : p.k) || p.ldc < larger(1, p.m) ||
      p.m < 0 || p.n < 0 || p.k < 0 || p.batch < 0)
    return kInvalidValue;
  products = realloc(products, (count + 1) * sizeof(Product));
  products[count] = p;
  on_product(count++, (int64_t)(intptr_t)handle->stream);
  return kSuccess;
}

#define STRIDED_BATCHED(NAME, REAL)                                                                                  \
  int NAME(Handle* handle, int op_a, int op_b, int64_t m, int64_t n, int64_t k, const REAL* alpha, const REAL* a,    \
           int64_t lda, long long stride_a, const REAL* b, int64_t ldb, long long stride_b, const REAL* beta,        \
           REAL* c, int64_t ldc, long long stride_c, int64_t batch) {                                                \
    Product p = {sizeof(REAL) == 8, op_a,     op_b,     m,        n,      k,     lda, ldb, ldc,                      \
                 batch,             stride_a, stride_b, stride_c, *alpha, *beta, a,   b,   c};                       \
    return enqueue(handle, p);                                                                                       \
  }                                                                                                                  \
  static void run_##NAME(Product p) {                                                                                \
    for (int64_t r = 0; r < p.batch; r++) {                                                                          \
      const REAL* a = (const REAL*)p.a + r * p.stride_a;                                                             \
      const REAL* b = (const REAL*)p.b + r * p.stride_b;                                                             \
      REAL* c = (REAL*)p.c + r * p.stride_c;                                                                         \
      for (int64_t j = 0; j < p.n; j++) {                                                                            \
        for (int64_t i = 0; i < p.m; i++) {                                                                          \
          REAL sum = 0, *out = c + i + j * p.ldc;                                                                    \
          for (int64_t l = 0; l < p.k; l++)                                                                          \
            sum += a[p.op_a ? l + i * p.lda : i + l * p.lda] * b[p.op_b ? j + l * p.ldb : l + j * p.ldb];            \
          *out = (REAL)p.alpha * sum + (p.beta ? (REAL)p.beta * *out : 0);                                           \
        }                                                                                                            \
      }                                                                                                              \
    }                                                                                                                \
  }

STRIDED_BATCHED(cublasSgemmStridedBatched_64, float)
STRIDED_BATCHED(cublasDgemmStridedBatched_64, double)

void fake_run(int number) {
  Product p = products[number];
  if (p.is_double)
    run_cublasDgemmStridedBatched_64(p);
  else
    run_cublasSgemmStridedBatched_64(p);
}
