// dense_grad_input: dx = dy W', times the derivative of a fused activation. dy (B, H), W (D, H), dx and, if present,
// saved (B, D). Tiles are columns of dx.
#include "../common/activations.h"
#include "kernels.hpp"
#include "product.hpp"

namespace cap {
namespace CAP_PATH {

template <class T>
void dense_grad_input(const Call& c, const Frame<T>& f, int64_t tile) {
  const int64_t D = c.operands[2].rows, H = c.operands[2].cols;
  T* dx = place(f, c.operands[0]);
  const T* dy = place(f, c.operands[1]);
  const T* w = place(f, c.operands[2]);
  const T* saved = place(f, c.operands[3]);
  const Span s = span(tile, c.tiles, D, kColumnUnit);
  product(false, true, f.rows, s.size(), H, T(1), dy, H, w + s.begin * H, H, T(0), dx + s.begin, D, f.scratch);
  if (!saved) return;
  with_activation(c.attributes.activation, [&](auto a) {
    for (int64_t r = 0; r < f.rows; ++r) {
      for (int64_t j = r * D + s.begin; j < r * D + s.end; ++j) dx[j] *= decltype(a)::derivative(saved[j]);
    }
  });
}

int64_t dense_grad_input_tiles(const Call& c, int64_t max_rows) {
  return product_tiles(max_rows, c.operands[2].cols, c.operands[2].rows);
}

CAP_KERNEL(dense_grad_input)

}  // namespace CAP_PATH
}  // namespace cap
