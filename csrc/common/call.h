// A call as every device is given it: where its operands lie, and its attributes. Laid out like the structured types in
// capacity/engine/cuda/recording.py.
#pragma once

#include "namespace.h"

namespace cap {

// Those before the labels hold elements of the program's type; labels are int32, sums float64.
enum ArenaId { kParameters, kGradients, kOptimizer, kAnchor, kActivations, kLabels, kSums, kArenas };

enum class Activation { identity, sigmoid, tanh, relu, leaky_relu, gelu };

enum class Stored { uint8, int16, float32, int32, float16 };

constexpr int64_t kBatchRows = -1;
constexpr int kMaxOperands = 6;

// A value's place: a matrix (rows, cols), row-major, `offset` elements into an arena. Vectors have one row; values with
// one entry a batch row have one column. arena < 0: absent. rows == kBatchRows: as many as the frame has.
struct Operand {
  int arena = -1;
  int64_t offset = 0, rows = 0, cols = 0;
};

struct Attributes {
  Activation activation = Activation::identity;
  bool update = false, shuffled = false, decoupled = false;
  int64_t inputs = 0, k = 1, slot = 0, every = 1;
  double momentum = 0, weight_decay = 0, beta1 = 0, beta2 = 0, epsilon = 0;
};

struct Call {
  Operand operands[kMaxOperands];
  Attributes attributes;
  int64_t shares = 1;  // the most threads that work on it, on the CPU
};

}  // namespace cap
