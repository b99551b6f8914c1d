// dense: z = x W + b, y = activation(z). x (B, D), W (D, H), b (H,), y and, if present, z (B, H). Shares are columns.
#include "../common/activations.h"
#include "kernels.hpp"
#include "product.hpp"

namespace cap {
namespace CAP_PATH {

template <class T>
void dense(const Call& c, const Frame<T>& f, Share share) {
  const int64_t D = c.operands[3].rows, H = c.operands[3].cols;
  T* y = place(f, c.operands[0]);
  T* z = place(f, c.operands[1]);
  const T* x = place(f, c.operands[2]);
  const T* w = place(f, c.operands[3]);
  const T* b = place(f, c.operands[4]);
  const Span s = span(share, H, kColumns);
  T* affine = z ? z : y;
  product(false, false, f.rows, s.size(), D, T(1), x, D, w + s.begin, H, T(0), affine + s.begin, H, f, b + s.begin);
  if (!z && c.attributes.activation == Activation::identity) return;
  with_activation(c.attributes.activation, [&](auto a) {
    for_block<T>(f.rows, H, s, [&](int64_t i, auto n) {
      store(y + i, map<T>(load(affine + i, n), [](T v) { return decltype(a)::value(v); }), n);
    });
  });
}

int64_t dense_shares(const Call& c, int64_t max_rows) {
  return product_shares(max_rows, c.operands[3].rows, c.operands[3].cols);
}

CAP_KERNEL(dense)

}  // namespace CAP_PATH
}  // namespace cap
