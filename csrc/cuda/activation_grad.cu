// activation_grad: dz = dy * derivative(saved), all (B, H).
CAP_KERNEL(activation_grad) {
  const Call& c = calls[call];
  const int64_t n = m->micro_batch * c.operands[0].cols;
  real* dz = place(m, c.operands[0]);
  const real* dy = place(m, c.operands[1]);
  const real* saved = place(m, c.operands[2]);
  with_activation(c.attributes.activation, [&](auto a) {
    for (int64_t i = first_index(); i < n; i += all_threads()) dz[i] = dy[i] * decltype(a)::derivative(saved[i]);
  });
}
