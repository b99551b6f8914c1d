// What a CPU kernel is given beside the call: the frame, one micro-batch of one replica.
#pragma once

#include "../common/call.h"
#include "../common/permutation.h"

namespace cap {

// Memory a thread needs beside the arenas, in elements: what csrc/cpu/product.hpp packs.
constexpr int64_t kScratchElements = 512 * (256 + 16 + 48);

// What the factors of matrix products are where elements are float32: as they are stored, or rounded to bfloat16 by the
// processor or, for tests, without its help (product_bf16.hpp).
enum class Factors { stored, bf16, bf16_emulated };

// What a source holds of an epoch: all rows of the data, or those of one window, in an order of its own.
struct Window {
  int64_t first = 0, samples = 0;  // position in the epoch of the first row; N, rows of the whole epoch, 0: no window
  uint64_t seed = 0;
  uint32_t number = 0;
};

// features (N, D) as stored, labels (N,), row_scale (N,) or null: what each row is multiplied by beside `scale`
struct Source {
  const void* features = nullptr;
  Stored stored = Stored::float32;
  const int32_t* labels = nullptr;
  const float* row_scale = nullptr;
  int64_t samples = 0, inputs = 0;
  double scale = 1;
  Window window;
};

template <class T>
struct Frame {
  T* arenas[kLabels] = {};
  int32_t* labels = nullptr;
  T* scratch = nullptr;  // kScratchElements that belong to this thread
  Factors factors = Factors::stored;
  double* statistics = nullptr;
  double* sums = nullptr;   // the arena of that name
  double* trace = nullptr;  // (segments, kTraceSums): the row of this step; null when there is no trajectory
  const Source* source = nullptr;
  Permutation order, subset;  // of the positions in an epoch or a window; of the source's rows, n = 0 for all of them
  T lr = 0;
  int64_t start = 0, rows = 0, batch_rows = 0;  // first position in the epoch, rows here, rows of the whole batch
  bool accumulate = false;                      // gradients of earlier micro-batches are there to be added to
  int64_t step = 0;                             // steps of this replica before this one
};

// The part of a call's work that falls to one thread of a team.
struct Share {
  int rank, team;
};

template <class T>
CAP_INLINE T* place(const Frame<T>& f, const Operand& o) {
  return o.arena < 0 ? nullptr : f.arenas[o.arena] + o.offset;
}

template <class T>
CAP_INLINE int32_t* place_labels(const Frame<T>& f, const Operand& o) {
  return f.labels + o.offset;
}

template <class T>
using Kernel = void (*)(const Call&, const Frame<T>&, Share);

template <class T>
CAP_INLINE double* place_sums(const Frame<T>& f, const Operand& o) {
  return o.arena < 0 ? nullptr : f.sums + o.offset;
}

// One op on one path. `shares` maps a call and the most rows a micro-batch has to the most threads it is worth.
struct KernelRow {
  const char* name;
  Kernel<float> f32;
  Kernel<double> f64;
  int64_t (*shares)(const Call&, int64_t max_rows);
};

}  // namespace cap
