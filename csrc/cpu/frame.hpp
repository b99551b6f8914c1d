// What a CPU kernel is given beside the call: the frame, one micro-batch of one replica.
#pragma once

#include "../common/call.h"
#include "../common/permutation.h"

namespace cap {

// Memory a thread needs beside the arenas, in elements: what csrc/cpu/product.hpp packs.
constexpr int64_t kScratchElements = 512 * (256 + 48);

// features (N, D) as stored, labels (N,)
struct Source {
  const void* features = nullptr;
  Stored stored = Stored::float32;
  const int32_t* labels = nullptr;
  int64_t samples = 0, inputs = 0;
  double scale = 1;
};

template <class T>
struct Frame {
  T* arenas[kLabels] = {};
  int32_t* labels = nullptr;
  T* scratch = nullptr;  // kScratchElements that belong to this thread
  double* statistics = nullptr;
  const Source* source = nullptr;
  Permutation order;
  T lr = 0;
  int64_t start = 0, rows = 0, batch_rows = 0;  // first position in the epoch, rows here, rows of the whole batch
  bool accumulate = false;                      // gradients of earlier micro-batches are there to be added to
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
using Kernel = void (*)(const Call&, const Frame<T>&, int64_t tile);

// One op on one path. `tiles` maps a call and the most rows a micro-batch has to the number of tiles.
struct KernelRow {
  const char* name;
  Kernel<float> f32;
  Kernel<double> f64;
  int64_t (*tiles)(const Call&, int64_t max_rows);
};

}  // namespace cap
