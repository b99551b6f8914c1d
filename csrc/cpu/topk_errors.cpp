// topk_errors: wrong (B,) = 1 where k or more classes come before the label. z (B, K), y (B,). Shares are rows.
#include "../common/ranking.h"
#include "kernels.hpp"

namespace cap {
namespace CAP_PATH {

template <class T>
void topk_errors(const Call& c, const Frame<T>& f, Share share) {
  const int64_t K = c.operands[1].cols;
  T* wrong = place(f, c.operands[0]);
  const T* z = place(f, c.operands[1]);
  const int32_t* y = place_labels(f, c.operands[2]);
  const Span s = span(share, f.rows, 1);
  for (int64_t r = s.begin; r < s.end; ++r) {
    const T* zr = z + r * K;
    const T own = zr[y[r]];
    int64_t before = 0;
    for (int64_t j = 0; j < K; ++j) before += comes_before(zr[j], j, own, y[r]);
    wrong[r] = before >= c.attributes.k ? T(1) : T(0);
  }
}

int64_t topk_errors_shares(const Call& c, int64_t max_rows) {
  return share_count(max_rows * c.operands[1].cols, kElementShare, max_rows);
}

CAP_KERNEL(topk_errors)

}  // namespace CAP_PATH
}  // namespace cap
