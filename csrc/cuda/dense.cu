// dense, after the product: z = (x W) + b, y = activation(z). On entry z, or y where there is no z, holds x W (B, H). A
// block a piece of a row, so that no element has to be divided into row and column.
CAP_KERNEL(dense) {
  const Call& c = calls[call];
  const int64_t H = c.operands[3].cols, pieces = (H + blockDim.x - 1) / blockDim.x;
  real* y = place(m, c.operands[0]);
  real* z = place(m, c.operands[1]);
  const real* b = place(m, c.operands[4]);
  const real* product = z ? z : y;
  with_activation(c.attributes.activation, [&](auto a) {
    for (int64_t piece = blockIdx.x; piece < m->micro_batch * pieces; piece += gridDim.x) {
      const int64_t row = piece / pieces, j = piece % pieces * blockDim.x + threadIdx.x, i = row * H + j;
      if (j >= H) continue;
      const real v = product[i] + b[j];
      if (z) z[i] = v;
      y[i] = decltype(a)::value(v);
    }
  });
}
