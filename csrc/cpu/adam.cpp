// adam: one step of Adam or AdamW, in one pass. w, m, v, g and, where the trajectory is traced, anchor: n numbers each;
// sums (blocks, kTraceSums).
#include "../common/adam.h"

#include "kernels.hpp"
#include "trace.hpp"

namespace cap {
namespace CAP_PATH {

template <class T>
void adam(const Call& c, const Frame<T>& f, Share share) {
  T* w = place(f, c.operands[0]);
  T* m = place(f, c.operands[1]);
  T* v = place(f, c.operands[2]);
  const T* g = place(f, c.operands[4]);
  const Trace<T> trace = {place_sums(f, c.operands[3]), place(f, c.operands[5])};
  const AdamStep<T> step = adam_step<T>(c.attributes, f.lr, f.step + 1);
  run_update(share, elements(c.operands[0]), w, g, trace, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) adam_update(step, g[i], w[i], m[i], v[i]);
  });
}

int64_t adam_shares(const Call& c, int64_t) { return update_shares(c); }

CAP_KERNEL(adam)

}  // namespace CAP_PATH
}  // namespace cap
