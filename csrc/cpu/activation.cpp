// activation: y = activation(z), y and z (B, H).
#include "../common/activations.h"
#include "kernels.hpp"

namespace cap {
namespace CAP_PATH {

template <class T>
void activation(const Call& c, const Frame<T>& f, Share share) {
  T* y = place(f, c.operands[0]);
  const T* z = place(f, c.operands[1]);
  const Span s = span(share, f.rows * c.operands[0].cols);
  with_activation(c.attributes.activation, [&](auto a) {
    for (int64_t i = s.begin; i < s.end; ++i) y[i] = decltype(a)::value(z[i]);
  });
}

int64_t activation_shares(const Call& c, int64_t max_rows) {
  return share_count(max_rows * c.operands[0].cols, kElementShare, max_rows);
}

CAP_KERNEL(activation)

}  // namespace CAP_PATH
}  // namespace cap
