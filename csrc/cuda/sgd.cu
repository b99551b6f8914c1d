// sgd: v = momentum v + g + weight_decay w; w -= lr v, in one pass. w, g, with momentum v and, where the trajectory is
// traced, anchor: n numbers each; sums (blocks, kTraceSums).
#include "trace.cuh"

CAP_KERNEL(sgd) {
  const Call& c = calls[call];
  real* w = place(m, c.operands[0]);
  real* v = place(m, c.operands[1]);
  const real* g = place(m, c.operands[3]);
  const real momentum = real(c.attributes.momentum), decay = real(c.attributes.weight_decay);
  const real lr = real(m->replicas[replica()].lr);
  if (!is_active(m)) return;
  run_update(elements(c.operands[0]), w, g, place(m, c.operands[4]), place_sums(m, c.operands[2]), [=](int64_t i) {
    real step = g[i] + decay * w[i];
    if (v) v[i] = step = momentum * v[i] + step;
    w[i] -= lr * step;
  });
}
