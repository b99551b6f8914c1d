// activation: y = activation(z), both (B, H).
CAP_KERNEL(activation) {
  const Call& c = calls[call];
  const int64_t n = m->micro_batch * c.operands[0].cols;
  real* y = place(m, c.operands[0]);
  const real* z = place(m, c.operands[1]);
  with_activation(c.attributes.activation, [&](auto a) {
    for (int64_t i = first_index(); i < n; i += all_threads()) y[i] = decltype(a)::value(z[i]);
  });
}
