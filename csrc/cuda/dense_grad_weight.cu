// dense_grad_weight, beside the product: db (H,) = column sums of dy (B, H), rows added in order; added to those of
// earlier micro-batches, or, with `update`, subtracted from the bias itself (dy has the learning rate in it then:
// softmax_xent).
CAP_KERNEL(dense_grad_weight) {
  const Call& c = calls[call];
  const int64_t H = c.operands[0].cols;
  const Rows rows = rows_of(m, micro);
  real* db = place(m, c.operands[1]);
  const real* dy = place(m, c.operands[3]);
  if (!is_active(m)) return;
  for (int64_t j = first_index(); j < H; j += all_threads()) {
    real sum = 0;
    for (int64_t r = 0; r < rows.rows; ++r) sum += dy[r * H + j];
    db[j] = c.attributes.update ? db[j] - sum : micro > 0 ? db[j] + sum : sum;
  }
}
