// The activations: value and derivative, the derivative from what the op table (capacity/engine/ops.py, SAVED) saves:
// the output y, or for GELU the input z. NaN in gives NaN out.
#pragma once

#include "call.h"
#include "numeric.h"

namespace cap {
namespace CAP_PATH {

struct Identity {
  template <class T>
  CAP_INLINE T value(T z) {
    return z;
  }
  template <class T>
  CAP_INLINE T derivative(T) {
    return T(1);
  }
};

struct Sigmoid {
  template <class T>
  CAP_INLINE T value(T z) {
    return sigmoid(z);
  }
  template <class T>
  CAP_INLINE T derivative(T y) {
    return y * (T(1) - y);
  }
};

struct Tanh {
  template <class T>
  CAP_INLINE T value(T z) {
    return tanh_(z);
  }
  template <class T>
  CAP_INLINE T derivative(T y) {
    return T(1) - y * y;
  }
};

// Slope for z <= 0, in hundredths: 0 is ReLU, 1 is leaky ReLU (ops.LEAKY_SLOPE).
template <int hundredths>
struct Rectifier {
  template <class T>
  CAP_INLINE T value(T z) {
    const T below = hundredths ? T(hundredths) / T(100) * z : T(0);  // 0 for ReLU at -infinity too
    return z <= T(0) ? below : z;
  }
  template <class T>
  CAP_INLINE T derivative(T y) {
    return y <= T(0) ? T(hundredths) / T(100) : (y > T(0) ? T(1) : y);
  }
};

struct Gelu {
  template <class T>
  CAP_INLINE T value(T z) {
    return z * normal(z).probability;
  }
  template <class T>
  CAP_INLINE T derivative(T z) {
    const Normal<T> n = normal(z);
    return n.probability + z * n.density;
  }
};

// Calls loop(A()) with the functor of the activation, so that the choice stands outside the loops.
template <class Loop>
CAP_INLINE void with_activation(Activation kind, Loop loop) {
  switch (kind) {
    case Activation::identity:
      return loop(Identity());
    case Activation::sigmoid:
      return loop(Sigmoid());
    case Activation::tanh:
      return loop(Tanh());
    case Activation::relu:
      return loop(Rectifier<0>());
    case Activation::leaky_relu:
      return loop(Rectifier<1>());
    case Activation::gelu:
      return loop(Gelu());
  }
}

}  // namespace CAP_PATH
}  // namespace cap
