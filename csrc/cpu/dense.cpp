// dense: z = x W + b, y = activation(z). x (B, D), W (D, H), b (H,), y and, if present, z (B, H). Tiles are columns.
#include "../common/activations.h"
#include "kernels.hpp"
#include "product.hpp"

namespace cap {
namespace CAP_PATH {

namespace {

// On entry the columns `s` of z, or of y where there is no z, hold x W.
template <class A, class T>
void tail(T* y, T* z, const T* b, int64_t rows, int64_t H, Span s) {
  for (int64_t r = 0; r < rows; ++r) {
    T* yr = y + r * H;
    if (z) {
      T* zr = z + r * H;
      for (int64_t j = s.begin; j < s.end; ++j) {
        zr[j] += b[j];
        yr[j] = A::value(zr[j]);
      }
    } else {  // a loop of its own: over one pointer the compiler can vectorise it
      for (int64_t j = s.begin; j < s.end; ++j) yr[j] = A::value(yr[j] + b[j]);
    }
  }
}

}  // namespace

template <class T>
void dense(const Call& c, const Frame<T>& f, int64_t tile) {
  const int64_t D = c.operands[3].rows, H = c.operands[3].cols;
  T* y = place(f, c.operands[0]);
  T* z = place(f, c.operands[1]);
  const T* x = place(f, c.operands[2]);
  const T* w = place(f, c.operands[3]);
  const T* b = place(f, c.operands[4]);
  const Span s = span(tile, c.tiles, H, kColumnUnit);
  T* affine = z ? z : y;
  product(false, false, f.rows, s.size(), D, T(1), x, D, w + s.begin, H, T(0), affine + s.begin, H, f.scratch);
  with_activation(c.attributes.activation, [&](auto a) { tail<decltype(a)>(y, z, b, f.rows, H, s); });
}

int64_t dense_tiles(const Call& c, int64_t max_rows) {
  return product_tiles(max_rows, c.operands[3].rows, c.operands[3].cols);
}

CAP_KERNEL(dense)

}  // namespace CAP_PATH
}  // namespace cap
