// What a kernel is given: the call (operands and attributes) and the frame (one micro-batch of one replica).
#pragma once

#include <cstdint>

#include "../common/permutation.h"

namespace cap {

enum ArenaId { kParameters, kGradients, kOptimizer, kActivations, kLabels, kArenas };

enum class Activation { identity, sigmoid, tanh, relu, leaky_relu, gelu };

enum class Stored { uint8, int16, float32 };

constexpr int64_t kBatchRows = -1;
constexpr int kMaxOperands = 5;

// Memory a thread needs beside the arenas, in elements: what csrc/cpu/product.hpp packs.
constexpr int64_t kScratchElements = 512 * (256 + 48);

// A value's place: a matrix (rows, cols), row-major, `offset` elements into an arena. Vectors have one row; values with
// one entry a batch row have one column. arena < 0: absent. rows == kBatchRows: as many as the frame has.
struct Operand {
  int arena = -1;
  int64_t offset = 0, rows = 0, cols = 0;
};

struct Attributes {
  Activation activation = Activation::identity;
  bool update = false, shuffled = false;
  int64_t inputs = 0, k = 1, slot = 0;
  double momentum = 0, weight_decay = 0;
};

struct Call {
  Operand operands[kMaxOperands];
  Attributes attributes;
  int64_t tiles = 1;  // independent pieces this call is cut into; a function of the shapes only
};

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
