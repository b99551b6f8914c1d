// A stand-in for cuBLAS: the functions that capacity calls, with cuBLAS's column-major meaning, on the host's memory.
// What is enqueued is kept, and handed by number to a callback, which runs it or captures it.
#include <stdint.h>
#include <stdlib.h>

typedef struct {
  const char* stream;
  const void* workspace;
} Handle;

typedef struct {
  int compute, op_a, op_b;
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

// cudaDataType_t and cublasComputeType_t
enum { kReal32 = 0, kReal64 = 1 };
enum { kCompute32 = 68, kCompute64 = 70, kComputeBf16 = 75, kComputeTf32 = 77 };

int cublasGemmStridedBatchedEx_64(Handle* handle, int op_a, int op_b, int64_t m, int64_t n, int64_t k,
                                  const void* alpha, const void* a, int a_type, int64_t lda, long long stride_a,
                                  const void* b, int b_type, int64_t ldb, long long stride_b, const void* beta, void* c,
                                  int c_type, int64_t ldc, long long stride_c, int64_t batch, int compute, int algo) {
  const int type = compute == kCompute64 ? kReal64 : kReal32;
  if (a_type != type || b_type != type || c_type != type || algo != -1) return kInvalidValue;
  if (compute != kCompute32 && compute != kCompute64 && compute != kComputeBf16 && compute != kComputeTf32)
    return kInvalidValue;
  Product p = {compute, op_a, op_b, m, n, k, lda, ldb, ldc, batch, stride_a, stride_b, stride_c, 0, 0, a, b, c};
  p.alpha = type == kReal64 ? *(const double*)alpha : *(const float*)alpha;
  p.beta = type == kReal64 ? *(const double*)beta : *(const float*)beta;
  return enqueue(handle, p);
}

// Rounds to the nearest number with `dropped` bits fewer, ties to even.
static float rounded(float x, int dropped) {
  union {
    float x;
    uint32_t bits;
  } u = {x};
  if (dropped) {
    u.bits += (1u << (dropped - 1)) - 1 + (u.bits >> dropped & 1);
    u.bits = u.bits >> dropped << dropped;
  }
  return u.x;
}

#define RUN(REAL, ROUND)                                                                                              \
  for (int64_t r = 0; r < p.batch; r++) {                                                                             \
    const REAL* a = (const REAL*)p.a + r * p.stride_a;                                                                \
    const REAL* b = (const REAL*)p.b + r * p.stride_b;                                                                \
    REAL* c = (REAL*)p.c + r * p.stride_c;                                                                            \
    for (int64_t j = 0; j < p.n; j++) {                                                                               \
      for (int64_t i = 0; i < p.m; i++) {                                                                             \
        REAL sum = 0, *out = c + i + j * p.ldc;                                                                       \
        for (int64_t l = 0; l < p.k; l++)                                                                             \
          sum += ROUND(a[p.op_a ? l + i * p.lda : i + l * p.lda]) * ROUND(b[p.op_b ? j + l * p.ldb : l + j * p.ldb]); \
        *out = (REAL)p.alpha * sum + (p.beta ? (REAL)p.beta * *out : 0);                                              \
      }                                                                                                               \
    }                                                                                                                 \
  }

void fake_run(int number) {
  Product p = products[number];
  const int dropped = p.compute == kComputeTf32 ? 13 : p.compute == kComputeBf16 ? 16 : 0;
#define AS_IT_IS(x) (x)
#define ROUNDED(x) rounded(x, dropped)
  if (p.compute == kCompute64) {
    RUN(double, AS_IT_IS)
  } else {
    RUN(float, ROUNDED)
  }
}
