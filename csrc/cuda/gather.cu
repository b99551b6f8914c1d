// gather: x (B, D), y (B,) <- the next rows in the epoch's order, converted and scaled. A block a row. Rows that a partial
// batch does not have become zeros with label 0, so that products over all B rows add nothing for them.
template <class S>
static __device__ void copy_row(real* x, const S* stored, int64_t D, real scale) {
  for (int64_t j = threadIdx.x; j < D; j += blockDim.x) x[j] = real(stored[j]) * scale;
}

CAP_KERNEL(gather) {
  const Call& c = calls[call];
  const int64_t D = c.operands[0].cols;
  const Rows b = rows_of(m, micro);
  __shared__ int64_t shared_row;
  for (int64_t i = blockIdx.x; i < m->micro_batch; i += gridDim.x) {
    real* x = place(m, c.operands[0]) + i * D;
    const bool exists = i < b.rows;
    if (threadIdx.x == 0) {
      int64_t row = b.start + i;
      if (exists && c.attributes.shuffled) permute(m->replicas[replica()].order, uint64_t(b.start + i), 1, &row);
      place_labels(m, c.operands[1])[i] = exists ? m->labels_in[row] : 0;
      shared_row = row;
    }
    __syncthreads();
    const int64_t at = shared_row * D;
    if (!exists) {
      for (int64_t j = threadIdx.x; j < D; j += blockDim.x) x[j] = real(0);
    } else if (m->stored == int64_t(Stored::uint8)) {
      copy_row(x, static_cast<const uint8_t*>(m->features) + at, D, real(m->scale));
    } else if (m->stored == int64_t(Stored::int16)) {
      copy_row(x, static_cast<const int16_t*>(m->features) + at, D, real(m->scale));
    } else {
      copy_row(x, static_cast<const float*>(m->features) + at, D, real(m->scale));
    }
    __syncthreads();  // shared_row is about to change
  }
}
