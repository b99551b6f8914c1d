// dense_grad_weight: dW = x' dy, db = column sums of dy, added to those of earlier micro-batches; or, with `update`,
// plain SGD at once: W -= lr x' dy, b -= lr db. x (B, D), dy (B, H), dW or W (D, H), db or b (H,). Tiles are columns.
#include "kernels.hpp"
#include "product.hpp"

namespace cap {
namespace CAP_PATH {

namespace {

// b = beta b + alpha (sums of the columns `s` of dy), rows added in order.
template <class T>
void column_sums(T* b, const T* dy, int64_t rows, int64_t H, Span s, T alpha, T beta) {
  constexpr int64_t kBlock = 64;  // sums held at once
  for (int64_t begin = s.begin; begin < s.end; begin += kBlock) {
    const int64_t n = smaller(kBlock, s.end - begin);
    T sums[kBlock] = {};
    for (int64_t r = 0; r < rows; ++r) {
      const T* row = dy + r * H + begin;
      for (int64_t j = 0; j < n; ++j) sums[j] += row[j];
    }
    for (int64_t j = 0; j < n; ++j) {
      // Without this test, beta = 0 would keep a NaN of memory never written.
      b[begin + j] = (beta == T(0) ? T(0) : beta * b[begin + j]) + alpha * sums[j];
    }
  }
}

}  // namespace

template <class T>
void dense_grad_weight(const Call& c, const Frame<T>& f, int64_t tile) {
  const int64_t D = c.operands[0].rows, H = c.operands[0].cols;
  T* dw = place(f, c.operands[0]);
  T* db = place(f, c.operands[1]);
  const T* x = place(f, c.operands[2]);
  const T* dy = place(f, c.operands[3]);
  const bool update = c.attributes.update;
  const T alpha = update ? -f.lr : T(1), beta = T(update || f.accumulate);
  const Span s = span(tile, c.tiles, H, kColumnUnit);
  product(true, false, D, s.size(), f.rows, alpha, x, D, dy + s.begin, H, beta, dw + s.begin, H, f.scratch);
  column_sums(db, dy, f.rows, H, s, alpha, beta);
}

int64_t dense_grad_weight_tiles(const Call& c, int64_t max_rows) {
  return product_tiles(max_rows, c.operands[0].rows, c.operands[0].cols);
}

CAP_KERNEL(dense_grad_weight)

}  // namespace CAP_PATH
}  // namespace cap
