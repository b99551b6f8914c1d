// activation_grad: dz = dy * derivative(saved), all (B, H).
#include "../common/activations.h"
#include "kernels.hpp"

namespace cap {
namespace CAP_PATH {

template <class T>
void activation_grad(const Call& c, const Frame<T>& f, Share share) {
  T* dz = place(f, c.operands[0]);
  const T* dy = place(f, c.operands[1]);
  const T* saved = place(f, c.operands[2]);
  const Span s = span(share, f.rows * c.operands[0].cols);
  with_activation(c.attributes.activation, [&](auto a) {
    for (int64_t i = s.begin; i < s.end; ++i) dz[i] = dy[i] * decltype(a)::derivative(saved[i]);
  });
}

int64_t activation_grad_shares(const Call& c, int64_t max_rows) {
  return share_count(max_rows * c.operands[0].cols, kElementShare, max_rows);
}

CAP_KERNEL(activation_grad)

}  // namespace CAP_PATH
}  // namespace cap
