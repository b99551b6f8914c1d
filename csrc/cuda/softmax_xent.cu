// softmax_xent: cross-entropy of softmax(z) (B, K) with labels y (B,), the gradient of its mean, and the top-1 error,
// each of them absent where nobody reads it. A warp a row.
//
// Rows that a partial batch does not have, and replicas that are not active, get the gradient 0: products over all B
// rows then leave the parameters alone. With `update` (SGD folded into the products that follow) the gradient is
// multiplied by the replica's learning rate here, at its source, because one batched product has one factor for all
// replicas.
CAP_KERNEL(softmax_xent) {
  const Call& c = calls[call];
  const int64_t K = c.operands[3].cols;
  const Rows b = rows_of(m, micro);
  real* loss = place(m, c.operands[0]);
  real* dz = place(m, c.operands[1]);
  real* wrong = place(m, c.operands[2]);
  const real* z = place(m, c.operands[3]);
  const int32_t* y = place_labels(m, c.operands[4]);
  const real unit = (c.attributes.update ? real(m->replicas[replica()].lr) : real(1)) / real(b.batch_rows);
  for (int64_t r = first_warp(); r < m->micro_batch; r += all_warps()) {
    const real* zr = z + r * K;
    real* dr = dz + r * K;
    if (r >= b.rows || !is_active(m)) {
      for (int64_t j = lane(); dz && j < K; j += kWarp) dr[j] = real(0);
      continue;
    }
    real max = zr[lane() < K ? lane() : 0];
    for (int64_t j = lane(); j < K; j += kWarp) max = zr[j] > max ? zr[j] : max;
    max = warp_max(max);
    real sum = 0;
    for (int64_t j = lane(); j < K; j += kWarp) {
      const real e = exp_nonpositive(zr[j] - max);  // NaN, when there is one, comes through here
      if (dz) dr[j] = e;
      sum += e;
    }
    sum = warp_sum(sum);
    const real own = zr[y[r]];
    if (loss && lane() == 0) loss[r] = log_from_one(sum) - (own - max);
    if (wrong) {
      int before = 0;
      for (int64_t j = lane(); j < K; j += kWarp) before += comes_before(zr[j], j, own, int64_t(y[r]));
      before = warp_sum(before);
      if (lane() == 0) wrong[r] = before > 0 ? real(1) : real(0);
    }
    const real factor = unit / sum;
    for (int64_t j = lane(); dz && j < K; j += kWarp) dr[j] = dr[j] * factor - (j == y[r] ? unit : real(0));
  }
}
