// topk_errors: wrong (B,) = 1 where k or more classes come before the label. z (B, K), y (B,). A warp a row.
CAP_KERNEL(topk_errors) {
  const Call& c = calls[call];
  const int64_t K = c.operands[1].cols;
  real* wrong = place(m, c.operands[0]);
  const real* z = place(m, c.operands[1]);
  const int32_t* y = place_labels(m, c.operands[2]);
  for (int64_t r = first_warp(); r < m->micro_batch; r += all_warps()) {
    const real* zr = z + r * K;
    const int64_t label = y[r];
    const real own = zr[label];
    int before = 0;
    for (int64_t j = lane(); j < K; j += kWarp) before += comes_before(zr[j], j, own, label);
    before = warp_sum(before);
    if (lane() == 0) wrong[r] = before >= c.attributes.k ? real(1) : real(0);
  }
}
