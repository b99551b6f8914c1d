// What every CUDA kernel is given. A program's replicas are a batch axis: blockIdx.y is the replica. Nothing a kernel
// needs comes from the host while a step runs: the step counter, learning rates and orders lie here, on the device.
#pragma once

#include "../common/activations.h"
#include "../common/adam.h"
#include "../common/call.h"
#include "../common/permutation.h"
#include "../common/ranking.h"
#include "../common/warp.h"

namespace cap {

typedef CAP_REAL real;

// One training. begin_step makes `subset` at the first step, and `order` anew for every epoch.
struct Replica {
  uint64_t seed;
  double lr;
  int64_t active;   // 0: nothing of it may change
  int64_t epoch;    // of `order`; -1: none yet
  int64_t samples;  // n, of the N rows of the source
  uint64_t subset_seed;
  Permutation order, subset;  // of the positions in an epoch; of the rows of the source, n = 0 for all of them
};

// The whole run. Laid out like MACHINE in capacity/engine/cuda/recording.py.
struct Machine {
  real* arenas[kLabels];     // (R, stride): those of elements
  int64_t strides[kArenas];  // elements from one replica to the next
  int32_t* labels;           // (R, stride)
  double* statistics;        // (R, statistics_stride)
  int64_t statistics_stride;
  double* sums;                    // (R, stride)
  double* trace;                   // (R, steps of the run, segments, kTraceSums)
  int64_t trace_size, trace_step;  // elements from one replica to the next, from one step to the next
  Replica* replicas;               // (R,)
  int64_t replica_count;
  const void* features[2];      // as stored: (N, D); or, streamed, two windows of (R, rows, D)
  const int32_t* labels_in[2];  // (N,); or two windows of (R, rows)
  const float* row_scale[2];    // likewise, or null: what each row is multiplied by beside `scale`
  int64_t stored, samples;      // Stored, N
  double scale;
  int64_t batch, micro_batch;
  int64_t step;                                // steps done; end_step counts
  int64_t first_step, streamed, window_steps;  // of this run; windows are used in turn, window_steps steps each
  int64_t window_stride;                       // rows from one replica's part of a window to the next's
};

namespace CAP_PATH {

// Rows of a micro-batch: `start` is the position in the epoch's order, `rows` may be 0 in a partial last batch.
struct Rows {
  int64_t start, rows, batch_rows;
};

CAP_INLINE int64_t replica() { return blockIdx.y; }

CAP_INLINE Rows rows_of(const Machine* m, int micro) {
  const int64_t samples = m->replicas[replica()].samples, per_epoch = (samples + m->batch - 1) / m->batch;
  const int64_t first = m->step % per_epoch * m->batch;
  const int64_t left = samples - first, batch_rows = left < m->batch ? left : m->batch;
  const int64_t start = micro * m->micro_batch, rows = batch_rows - start;
  return {first + start, rows < 0 ? 0 : rows < m->micro_batch ? rows : m->micro_batch, batch_rows};
}

CAP_INLINE bool is_active(const Machine* m) { return m->replicas[replica()].active != 0; }

CAP_INLINE real* place(const Machine* m, const Operand& o) {
  return o.arena < 0 ? nullptr : m->arenas[o.arena] + replica() * m->strides[o.arena] + o.offset;
}

CAP_INLINE int32_t* place_labels(const Machine* m, const Operand& o) {
  return m->labels + replica() * m->strides[kLabels] + o.offset;
}

// Loops over [0, n) with all threads of the replica: for (int64_t i = first_index(); i < n; i += all_threads()).
CAP_INLINE int64_t first_index() { return int64_t(blockIdx.x) * blockDim.x + threadIdx.x; }
CAP_INLINE int64_t all_threads() { return int64_t(gridDim.x) * blockDim.x; }

// The same with a warp for each element: the warp's number, and the thread's lane in it.
CAP_INLINE int64_t first_warp() { return first_index() / kWarp; }
CAP_INLINE int64_t all_warps() { return all_threads() / kWarp; }
constexpr int kMaxWarps = 8;  // of a block
CAP_INLINE int lane() { return int(threadIdx.x % kWarp); }

}  // namespace CAP_PATH

using namespace CAP_PATH;

}  // namespace cap

using namespace cap;

#define CAP_KERNEL(name) extern "C" __global__ void cap_##name(Machine* m, const Call* calls, int call, int micro)
