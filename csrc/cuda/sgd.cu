// sgd: v = momentum v + g + weight_decay w; w -= lr v, over all parameters. w, g and, with momentum, v (P,).
CAP_KERNEL(sgd) {
  const Call& c = calls[call];
  const int64_t n = c.operands[0].cols;
  real* w = place(m, c.operands[0]);
  real* v = place(m, c.operands[1]);
  const real* g = place(m, c.operands[2]);
  const real momentum = real(c.attributes.momentum), decay = real(c.attributes.weight_decay);
  const real lr = real(m->replicas[replica()].lr);
  if (!is_active(m)) return;
  for (int64_t i = first_index(); i < n; i += all_threads()) {
    real step = g[i] + decay * w[i];
    if (v) v[i] = step = momentum * v[i] + step;
    w[i] -= lr * step;
  }
}
