// One step of Adam (Kingma & Ba 2015, algorithm 1) or AdamW (Loshchilov & Hutter 2019, algorithm 2), shared by every
// device so that they agree.
#pragma once

#include "call.h"
#include "numeric.h"

namespace cap {
namespace CAP_PATH {

// What all parameters of a step have in common.
template <class T>
struct AdamStep {
  T beta1, beta2, epsilon;
  T new1, new2;       // 1 - beta1, 1 - beta2
  T coupled, direct;  // weight decay that goes into the gradient; that is taken from the parameter, times lr
  T rate, root;       // lr / (1 - beta1^t), 1 / sqrt(1 - beta2^t)
};

// 1 - beta^t; the difference itself would lose digits while beta^t is near 1.
CAP_INLINE double bias_correction(double beta, int64_t t) { return -expm1(double(t) * log(beta)); }

// Step number t = 1, 2, ... of a replica.
template <class T>
CAP_INLINE AdamStep<T> adam_step(const Attributes& a, double lr, int64_t t) {
  AdamStep<T> s;
  s.beta1 = T(a.beta1);
  s.beta2 = T(a.beta2);
  s.epsilon = T(a.epsilon);
  s.new1 = T(1 - a.beta1);
  s.new2 = T(1 - a.beta2);
  s.coupled = a.decoupled ? T(0) : T(a.weight_decay);
  s.direct = a.decoupled ? T(lr * a.weight_decay) : T(0);
  s.rate = T(lr / bias_correction(a.beta1, t));
  s.root = T(1 / sqrt(bias_correction(a.beta2, t)));
  return s;
}

// w, m and v of one parameter, from its gradient.
template <class T>
CAP_INLINE void adam_update(const AdamStep<T>& s, T gradient, T& w, T& m, T& v) {
  const T g = gradient + s.coupled * w;
  m = s.beta1 * m + s.new1 * g;
  v = s.beta2 * v + s.new2 * (g * g);
  w -= s.rate * m / (square_root(v) * s.root + s.epsilon) + s.direct * w;
}

}  // namespace CAP_PATH
}  // namespace cap
