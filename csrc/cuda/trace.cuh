// Updates that also add up the sums of a trajectory (csrc/common/trace.h), one block of threads for each kTraceBlock
// parameters. Each thread adds every blockDim.x-th, then warps and blocks are joined, in a fixed order: the sums do not
// depend on the grid.
#pragma once

#include "../common/trace.h"
#include "device.cuh"

namespace cap {
namespace CAP_PATH {

CAP_INLINE double* place_sums(const Machine* m, const Operand& o) {
  return o.arena < 0 ? nullptr : m->sums + replica() * m->strides[kSums] + o.offset;
}

// Updates w (n,) by its gradient g (n,) with update(i), and, unless `sums` (blocks, kTraceSums) is null, adds up.
template <class Update>
CAP_INLINE void run_update(int64_t n, const real* w, const real* g, const real* anchor, double* sums, Update update) {
  if (!sums) {
    for (int64_t i = first_index(); i < n; i += all_threads()) update(i);
    return;
  }
  __shared__ double of_warps[kMaxWarps][kTraceSums];
  for (int64_t first = blockIdx.x * kTraceBlock; first < n; first += gridDim.x * kTraceBlock) {
    const int64_t end = first + kTraceBlock < n ? first + kTraceBlock : n;
    double total[kTraceSums] = {};
    for (int64_t i = first + threadIdx.x; i < end; i += blockDim.x) {
      const double before = double(w[i]), gradient = double(g[i]), distance = before - double(anchor[i]);
      update(i);
      const double step = double(w[i]) - before;
      total[kGradient] += gradient * gradient;
      total[kStep] += step * step;
      total[kAlong] += distance * gradient;
      total[kDistance] += distance * distance;
    }
    for (int q = 0; q < kTraceSums; ++q) {
      total[q] = warp_sum(total[q]);
      if (lane() == 0) of_warps[threadIdx.x / kWarp][q] = total[q];
    }
    __syncthreads();
    if (threadIdx.x < kTraceSums) {
      double sum = 0;
      for (int warp = 0; warp < int(blockDim.x / kWarp); ++warp) sum += of_warps[warp][threadIdx.x];
      sums[first / kTraceBlock * kTraceSums + threadIdx.x] = sum;
    }
    __syncthreads();  // of_warps is written again
  }
}

}  // namespace CAP_PATH
}  // namespace cap
