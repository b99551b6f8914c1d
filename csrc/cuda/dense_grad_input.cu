// dense_grad_input, after the product: dx (B, D) = (dy W') times the derivative of the fused activation.
CAP_KERNEL(dense_grad_input) {
  const Call& c = calls[call];
  const int64_t n = m->micro_batch * c.operands[2].rows;
  real* dx = place(m, c.operands[0]);
  const real* saved = place(m, c.operands[3]);
  with_activation(c.attributes.activation, [&](auto a) {
    for (int64_t i = first_index(); i < n; i += all_threads()) dx[i] *= decltype(a)::derivative(saved[i]);
  });
}
