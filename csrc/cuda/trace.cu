// trace: the row of this step, in the segment `slot`, <- the column sums of sums (blocks, kTraceSums). One warp a
// replica, lanes interleaved, joined in a fixed order.
#include "trace.cuh"

CAP_KERNEL(trace) {
  const Call& c = calls[call];
  const double* sums = place_sums(m, c.operands[0]);
  double* row = m->trace + replica() * m->trace_size + (m->step - m->first_step) * m->trace_step;
  if (first_warp() > 0 || !is_active(m)) return;
  for (int q = 0; q < kTraceSums; ++q) {
    double sum = 0;
    for (int64_t b = lane(); b < c.operands[0].rows; b += kWarp) sum += sums[b * kTraceSums + q];
    sum = warp_sum(sum);
    if (lane() == 0) row[c.attributes.slot * kTraceSums + q] = sum;
  }
}
