// dense, after the product: z = (x W) + b, y = activation(z). On entry z, or y where there is no z, holds x W (B, H).
CAP_KERNEL(dense) {
  const Call& c = calls[call];
  const int64_t H = c.operands[3].cols, n = m->micro_batch * H;
  real* y = place(m, c.operands[0]);
  real* z = place(m, c.operands[1]);
  const real* b = place(m, c.operands[4]);
  const real* product = z ? z : y;
  with_activation(c.attributes.activation, [&](auto a) {
    for (int64_t i = first_index(); i < n; i += all_threads()) {
      const real v = product[i] + b[i % H];
      if (z) z[i] = v;
      y[i] = decltype(a)::value(v);
    }
  });
}
