// gather: x (B, D), y (B,) <- the next rows of the subset in the epoch's order, converted and scaled. A block a row.
// Rows that a partial batch does not have become zeros with label 0, so that products over all B rows add nothing for
// them.
//
// Data that lie on the device as a whole are read in the epoch's order. Data that do not come in windows, in which the
// host has put the rows of the next steps in their order, replica by replica or once for all.
#include "../common/half.h"

template <class S>
static __device__ void copy_row(real* x, const void* features, int64_t row, int64_t D, real scale) {
  const S* stored = static_cast<const S*>(features) + row * D;
  for (int64_t j = threadIdx.x; j < D; j += blockDim.x) x[j] = real(value_of(stored[j])) * scale;
}

CAP_KERNEL(gather) {
  const Call& c = calls[call];
  const int64_t D = c.operands[0].cols;
  const Rows b = rows_of(m, micro);
  const int64_t since = m->step - m->first_step, window = m->streamed ? since / m->window_steps : 0;
  const void* features = m->features[window % 2];
  const int32_t* labels = m->labels_in[window % 2];
  const float* row_scale = m->row_scale[window % 2];
  const int64_t window_row = replica() * m->window_stride + since % m->window_steps * m->batch + micro * m->micro_batch;
  __shared__ int64_t shared_row;
  for (int64_t i = blockIdx.x; i < m->micro_batch; i += gridDim.x) {
    real* x = place(m, c.operands[0]) + i * D;
    const bool exists = i < b.rows;
    if (threadIdx.x == 0) {
      int64_t row = m->streamed ? window_row + i : b.start + i;
      if (exists && !m->streamed) {
        const Replica& r = m->replicas[replica()];
        if (c.attributes.shuffled) row = permute(r.order, row);
        if (r.subset.n > 0) row = permute(r.subset, row);
      }
      place_labels(m, c.operands[1])[i] = exists ? labels[row] : 0;
      shared_row = row;
    }
    __syncthreads();
    const int64_t row = shared_row;
    if (!exists) {
      for (int64_t j = threadIdx.x; j < D; j += blockDim.x) x[j] = real(0);
    } else {
      const real scale = row_scale ? real(m->scale) * real(row_scale[row]) : real(m->scale);
      switch (Stored(m->stored)) {
        case Stored::uint8:
          copy_row<uint8_t>(x, features, row, D, scale);
          break;
        case Stored::int16:
          copy_row<int16_t>(x, features, row, D, scale);
          break;
        case Stored::float32:
          copy_row<float>(x, features, row, D, scale);
          break;
        case Stored::int32:
          copy_row<int32_t>(x, features, row, D, scale);
          break;
        case Stored::float16:
          copy_row<Half>(x, features, row, D, scale);
          break;
      }
    }
    __syncthreads();  // shared_row is about to change
  }
}
