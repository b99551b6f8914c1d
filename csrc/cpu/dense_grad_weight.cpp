// dense_grad_weight: dW = x' dy, db = column sums of dy, added to those of earlier micro-batches; or, with `update`,
// plain SGD at once: W -= lr x' dy, b -= lr db. x (B, D), dy (B, H), dW or W (D, H), db or b (H,). Shares are columns.
#include "kernels.hpp"
#include "product.hpp"

namespace cap {
namespace CAP_PATH {

namespace {

constexpr int kChains = 4;  // sums that run beside each other, since an addition takes that long

// b = beta b + alpha (sums of the columns `s` of dy): of every kChains-th row, and then these together.
template <class T>
void column_sums(T* b, const T* dy, int64_t rows, int64_t H, Span s, T alpha, T beta) {
  for_vectors<T>(s.size(), [&](int64_t j, auto n) {
    const T* column = dy + s.begin + j;
    Vector<T> sums[kChains] = {};
    int64_t r = 0;
    for (; r + kChains <= rows; r += kChains) {
#pragma GCC unroll 4
      for (int k = 0; k < kChains; ++k) sums[k] += load(column + (r + k) * H, n);
    }
    for (; r < rows; ++r) sums[0] += load(column + r * H, n);
    T* const to = b + s.begin + j;
    // Without this test, beta = 0 would keep a NaN of memory never written.
    const Vector<T> before = beta == T(0) ? Vector<T>{} : beta * load(to, n);
    store(to, before + alpha * ((sums[0] + sums[1]) + (sums[2] + sums[3])), n);
  });
}

}  // namespace

template <class T>
void dense_grad_weight(const Call& c, const Frame<T>& f, Share share) {
  const int64_t D = c.operands[0].rows, H = c.operands[0].cols;
  T* dw = place(f, c.operands[0]);
  T* db = place(f, c.operands[1]);
  const T* x = place(f, c.operands[2]);
  const T* dy = place(f, c.operands[3]);
  const bool update = c.attributes.update;
  const T alpha = update ? -f.lr : T(1), beta = T(update || f.accumulate);
  const Span s = span(share, H, kColumns);
  product(true, false, D, s.size(), f.rows, alpha, x, D, dy + s.begin, H, beta, dw + s.begin, H, f);
  column_sums(db, dy, f.rows, H, s, alpha, beta);
}

int64_t dense_grad_weight_shares(const Call& c, int64_t max_rows) {
  return product_shares(max_rows, c.operands[0].rows, c.operands[0].cols);
}

CAP_KERNEL(dense_grad_weight)

}  // namespace CAP_PATH
}  // namespace cap
