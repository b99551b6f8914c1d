// Scalar maths, shared by every device so that they agree. Branch-free, so that compilers vectorise the loops around
// it. NaN in gives NaN out everywhere; no function here relies on fast-math.
//
// Relative errors, over the whole range, in units of the type's epsilon (tests/test_numeric.py): sigmoid and tanh 4;
// the normal probability at z, and so GELU, 6 + z^2 / 2; the logarithm of a sum of K exponentials 4 + sqrt(K) / 4.
#pragma once

#include "namespace.h"

namespace cap {
namespace CAP_PATH {

template <class T>
struct Float;

template <>
struct Float<float> {
  using Bits = uint32_t;
  static constexpr int mantissa = 23, bias = 127;
  static constexpr float shifter = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, held in the low bits
  static constexpr float exp_lowest = -87.0f;    // below it e^x is taken for 0 (error < 2e-38)
  static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
};

template <>
struct Float<double> {
  using Bits = uint64_t;
  static constexpr int mantissa = 52, bias = 1023;
  static constexpr double shifter = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr double exp_lowest = -708.0;           // below it e^x is taken for 0 (error < 4e-308)
  static constexpr double ln2_high = 6.93145751953125e-1, ln2_low = 1.42860682030941723212e-6;
};

// (e^r - 1 - r) / r^2 for |r| <= ln(2) / 2. float: minimax (Cephes expf); double: Taylor, next term < 2^-57.
CAP_INLINE float exp_tail(float r) {
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  return p * r + 5.0000001201e-1f;
}

CAP_INLINE double exp_tail(double r) {
  double p = 1.0 / 6227020800.0;
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  return p * r + 0.5;
}

// e^x for x <= 0 (and NaN). x = n ln 2 + r with n an integer and |r| <= ln(2) / 2; e^x = 2^n e^r.
template <class T>
CAP_INLINE T exp_nonpositive(T x) {
  using F = Float<T>;
  using Bits = typename F::Bits;
  const T shifted = x * T(1.44269504088896340736) + F::shifter;
  const T n = shifted - F::shifter;
  const T r = (x - n * F::ln2_high) - n * F::ln2_low;
  const T e = exp_tail(r) * (r * r) + r + T(1);
  // The bits of `shifted` are those of `shifter` plus n. For NaN they are arbitrary, and e * scale is NaN all the same.
  const T shifter = F::shifter;
  Bits bits, zero;
  memcpy(&bits, &shifted, sizeof bits);
  memcpy(&zero, &shifter, sizeof zero);
  const Bits power = (bits - zero + Bits(F::bias)) << F::mantissa;
  T scale;
  memcpy(&scale, &power, sizeof scale);
  return x < F::exp_lowest ? T(0) : e * scale;
}

// 1 / (1 + e^-x), from e^-|x| so that nothing overflows and small values keep their relative precision.
template <class T>
CAP_INLINE T sigmoid(T x) {
  const T e = exp_nonpositive(x > T(0) ? -x : x);
  return (x > T(0) ? T(1) : e) / (T(1) + e);
}

// (tanh(x) - x) / x^3 for |x| < 0.625 and s = x^2 (Cephes).
CAP_INLINE float tanh_tail(float s) {
  float p = -5.70498872745e-3f;
  p = p * s + 2.06390887954e-2f;
  p = p * s - 5.37397155531e-2f;
  p = p * s + 1.33314422036e-1f;
  return p * s - 3.33332819422e-1f;
}

CAP_INLINE double tanh_tail(double s) {
  const double p = (-9.64399179425052238628e-1 * s - 9.92877231001918586564e1) * s - 1.61468768441708447952e3;
  const double q = ((s + 1.12811678491632931402e2) * s + 2.23548839060100448583e3) * s + 4.84406305325125486048e3;
  return p / q;
}

template <class T>
CAP_INLINE T tanh_(T x) {
  const T magnitude = x > T(0) ? x : -x;
  const T e = exp_nonpositive(T(-2) * magnitude);
  const T large = (T(1) - e) / (T(1) + e);
  const T s = x * x;
  const T small = x + x * s * tanh_tail(s);
  return magnitude < T(0.625) ? small : (x > T(0) ? large : -large);
}

// Of the standard normal distribution: the density at z, and the probability of less than z.
template <class T>
struct Normal {
  T density, probability;
};

// Q(|z|) = e^(-z^2/2) k p(k) / 2 with k = 1 / (1 + 0.42 |z| / sqrt(2)); p is fitted to erfcx, error < 3e-9. Small
// probabilities keep their relative precision but for the rounding of z^2, which the exponential makes z^2 / 2 times
// larger.
CAP_INLINE Normal<float> normal(float z) {
  const float e = exp_nonpositive(-0.5f * z * z), k = 1.0f / (1.0f + 0.296984848f * (z > 0.0f ? z : -z));
  float p = -0.0411374449f;
  p = p * k + 0.230705302f;
  p = p * k - 0.486643049f;
  p = p * k + 0.437150493f;
  p = p * k - 0.197329791f;
  p = p * k + 0.213733849f;
  p = p * k + 0.150040601f;
  p = p * k + 0.219894398f;
  p = p * k + 0.236612218f;
  p = p * k + 0.236973321f;
  const float tail = 0.5f * e * k * p;
  return {0.398942280f * e, z > 0.0f ? 1.0f - tail : tail};
}

CAP_INLINE Normal<double> normal(double z) {
  return {0.39894228040143267794 * exp_nonpositive(-0.5 * z * z), 0.5 * erfc(-0.70710678118654752440 * z)};
}

// (log(1 + f) - f + f^2 / 2) / f^3 for sqrt(1/2) <= 1 + f < sqrt(2) (Cephes).
CAP_INLINE float log_tail(float f) {
  float p = 7.0376836292e-2f;
  p = p * f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  return p * f + 3.3333331174e-1f;
}

CAP_INLINE double log_tail(double f) {
  double p = 1.01875663804580931796e-4, q = f + 1.12873587189167450590e1;
  p = p * f + 4.97494994976747001425e-1;
  p = p * f + 4.70579119878881725854;
  p = p * f + 1.44989225341610930846e1;
  p = p * f + 1.79368678507819816313e1;
  p = p * f + 7.70838733755885391666;
  q = q * f + 4.52279145837532221105e1;
  q = q * f + 8.29875266912776603211e1;
  q = q * f + 7.11544750618563894466e1;
  q = q * f + 2.31251620126765340583e1;
  return p / q;
}

// log(x) for finite x >= 1 (and NaN): x = 2^n (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2).
template <class T>
CAP_INLINE T log_from_one(T x) {
  using F = Float<T>;
  using Bits = typename F::Bits;
  const T root = T(0.70710678118654752440);
  Bits bits, lowest;
  memcpy(&bits, &x, sizeof bits);
  memcpy(&lowest, &root, sizeof lowest);
  const Bits power = (bits - lowest) >> F::mantissa, scaled = bits - (power << F::mantissa);
  T m;
  memcpy(&m, &scaled, sizeof m);
  const T n = T(int32_t(power)), f = m - T(1);
  const T small = f * f * f * log_tail(f) + n * F::ln2_low - T(0.5) * f * f;
  return x == x ? small + f + n * F::ln2_high : x;
}

// The library's, by type.
CAP_INLINE float square_root(float x) { return sqrtf(x); }
CAP_INLINE double square_root(double x) { return sqrt(x); }

}  // namespace CAP_PATH
}  // namespace cap
