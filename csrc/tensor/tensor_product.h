// A dense layer's product with what follows it, as kernel and host know it.
#pragma once

#include "../common/call.h"

namespace cap {

// A row-major matrix of float32 for every replica, on the device.
struct Matrix {
  float* first = nullptr;  // replica 0's; null: absent
  int64_t ld = 0;          // elements from row to row
  int64_t stride = 0;      // elements from one replica's to the next one's
};

// forward:  c (m, n) = activation(z), z (m, n) = a (m, k) b (k, n) + side (1, n); z is stored unless absent.
// backward: c (m, n) = a (m, k) b' times the activation's derivative at side (m, n), with b (n, k); an absent side
//           leaves the bare product.
struct TensorProduct {
  int64_t m = 0, n = 0, k = 0;
  Matrix a, b, side, z, c;
  Activation activation = Activation::identity;
};

constexpr int kTile = 64;            // a block's rows and columns of c
constexpr int kTensorThreads = 128;  // a block's threads

inline int64_t tensor_blocks(int64_t m, int64_t n) { return (m + kTile - 1) / kTile * ((n + kTile - 1) / kTile); }

enum class Precision { tf32, bf16 };

// The host's side (launch.cu). Enqueues the product for `replicas` replicas on a cudaStream_t; nothing is allocated and
// nobody waits. Returns null, or the name of the error and what it means.
struct LaunchError {
  const char* name = nullptr;
  const char* meaning = nullptr;
};
LaunchError launch_tensor_product(const TensorProduct& product, Precision precision, bool backward, int replicas,
                                  void* stream);

}  // namespace cap
