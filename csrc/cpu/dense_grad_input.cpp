// dense_grad_input: dx = dy W', times the derivative of a fused activation. dy (B, H), W (D, H), dx and, if present,
// saved (B, D). Shares are columns of dx.
#include "../common/activations.h"
#include "kernels.hpp"
#include "product.hpp"

namespace cap {
namespace CAP_PATH {

template <class T>
void dense_grad_input(const Call& c, const Frame<T>& f, Share share) {
  const int64_t D = c.operands[2].rows, H = c.operands[2].cols;
  T* dx = place(f, c.operands[0]);
  const T* dy = place(f, c.operands[1]);
  const T* w = place(f, c.operands[2]);
  const T* saved = place(f, c.operands[3]);
  const Span s = span(share, D, kColumns);
  product(false, true, f.rows, s.size(), H, T(1), dy, H, w + s.begin * H, H, T(0), dx + s.begin, D, f);
  if (!saved) return;
  with_activation(c.attributes.activation, [&](auto a) {
    for_block<T>(f.rows, D, s, [&](int64_t i, auto n) {
      const Vector<T> derivative = map<T>(load(saved + i, n), [](T v) { return decltype(a)::derivative(v); });
      store(dx + i, load(dx + i, n) * derivative, n);
    });
  });
}

int64_t dense_grad_input_shares(const Call& c, int64_t max_rows) {
  return product_shares(max_rows, c.operands[2].cols, c.operands[2].rows);
}

CAP_KERNEL(dense_grad_input)

}  // namespace CAP_PATH
}  // namespace cap
