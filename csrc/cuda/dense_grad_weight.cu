// dense_grad_weight, beside the product: db (H,) = column sums of dy (B, H), added to those of earlier micro-batches,
// or, with `update`, subtracted from the bias itself (dy has the learning rate in it then: softmax_xent). A block 32
// columns, a lane each; its warps take the rows in turn, and their sums are added in order.
CAP_KERNEL(dense_grad_weight) {
  const Call& c = calls[call];
  const int64_t H = c.operands[0].cols;
  const Rows rows = rows_of(m, micro);
  real* db = place(m, c.operands[1]);
  const real* dy = place(m, c.operands[3]);
  const int warps = blockDim.x / kWarp, warp = threadIdx.x / kWarp;
  __shared__ real sums[kMaxWarps][kWarp];
  if (!is_active(m)) return;
  for (int64_t first = int64_t(blockIdx.x) * kWarp; first < H; first += int64_t(gridDim.x) * kWarp) {
    const int64_t j = first + lane();
    real sum = 0;
    for (int64_t r = warp; j < H && r < rows.rows; r += warps) sum += dy[r * H + j];
    sums[warp][lane()] = sum;
    __syncthreads();
    if (warp == 0 && j < H) {
      for (int w = 1; w < warps; ++w) sum += sums[w][lane()];
      db[j] = c.attributes.update ? db[j] - sum : micro > 0 ? db[j] + sum : sum;
    }
    __syncthreads();  // sums are about to change
  }
}
