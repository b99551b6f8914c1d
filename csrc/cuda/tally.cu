// tally: statistics[slot] += sum of v (B,) in float64. One warp a replica, lanes interleaved, joined in a fixed order.
CAP_KERNEL(tally) {
  const Call& c = calls[call];
  const Rows b = rows_of(m, micro);
  const real* v = place(m, c.operands[0]);
  if (first_warp() > 0 || !is_active(m)) return;
  double sum = 0;
  for (int64_t r = lane(); r < b.rows; r += kWarp) sum += double(v[r]);
  sum = warp_sum(sum);
  if (lane() == 0) m->statistics[replica() * m->statistics_stride + c.attributes.slot] += sum;
}
