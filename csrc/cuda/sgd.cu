// sgd: v = momentum v + d + weight_decay w; w -= lr v, in one pass. w, g, with momentum v, where the trajectory is
// traced anchor, and d, the gradient g where it is absent: n numbers each; sums (blocks, kTraceSums).
#include "trace.cuh"

CAP_KERNEL(sgd) {
  const Call& c = calls[call];
  real* w = place(m, c.operands[0]);
  real* v = place(m, c.operands[1]);
  const real* g = place(m, c.operands[3]);
  const real* d = c.operands[5].arena < 0 ? g : place(m, c.operands[5]);
  const real momentum = real(c.attributes.momentum), decay = real(c.attributes.weight_decay);
  const real lr = real(m->replicas[replica()].lr);
  if (!is_active(m)) return;
  run_update(elements(c.operands[0]), w, g, place(m, c.operands[4]), place_sums(m, c.operands[2]), [=](int64_t i) {
    real step = d[i] + decay * w[i];
    if (v) v[i] = step = momentum * v[i] + step;
    w[i] -= lr * step;
  });
}
