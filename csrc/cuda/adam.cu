// adam: one step of Adam or AdamW, in one pass. w, m, v, g and, where the trajectory is traced, anchor: n numbers each;
// sums (blocks, kTraceSums). What the parameters have in common takes powers in float64, which many GPUs are slow at:
// one thread of a block works it out for all, and a thread takes several parameters.
#include "trace.cuh"

CAP_KERNEL(adam) {
  const Call& c = calls[call];
  real* w = place(m, c.operands[0]);
  real* mean = place(m, c.operands[1]);
  real* square = place(m, c.operands[2]);
  const real* g = place(m, c.operands[4]);
  __shared__ AdamStep<real> shared_step;
  if (!is_active(m)) return;
  if (threadIdx.x == 0) shared_step = adam_step<real>(c.attributes, m->replicas[replica()].lr, m->step + 1);
  __syncthreads();
  const AdamStep<real> step = shared_step;
  run_update(elements(c.operands[0]), w, g, place(m, c.operands[5]), place_sums(m, c.operands[3]),
             [=](int64_t i) { adam_update(step, g[i], w[i], mean[i], square[i]); });
}
