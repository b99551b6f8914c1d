// sgd: v = momentum v + d + weight_decay w; w -= lr v, in one pass. w, g, with momentum v, where the trajectory is
// traced anchor, and d, the gradient g where it is absent: n numbers each; sums (blocks, kTraceSums).
#include "kernels.hpp"
#include "trace.hpp"

namespace cap {
namespace CAP_PATH {

template <class T>
void sgd(const Call& c, const Frame<T>& f, Share share) {
  T* w = place(f, c.operands[0]);
  T* v = place(f, c.operands[1]);
  const T* g = place(f, c.operands[3]);
  const Trace<T> trace = {place_sums(f, c.operands[2]), place(f, c.operands[4])};
  const T* d = c.operands[5].arena < 0 ? g : place(f, c.operands[5]);
  const T momentum = T(c.attributes.momentum), decay = T(c.attributes.weight_decay), lr = f.lr;
  const int64_t n = elements(c.operands[0]);
  if (v) {
    run_update(share, n, w, g, trace, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        v[i] = momentum * v[i] + (d[i] + decay * w[i]);
        w[i] -= lr * v[i];
      }
    });
  } else {
    run_update(share, n, w, g, trace, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) w[i] -= lr * (d[i] + decay * w[i]);
    });
  }
}

int64_t sgd_shares(const Call& c, int64_t) { return update_shares(c); }

CAP_KERNEL(sgd)

}  // namespace CAP_PATH
}  // namespace cap
