// Scalar maths, shared by every device so that they agree. Branch-free, so that compilers vectorise the loops around
// it. NaN in gives NaN out everywhere; no function here relies on fast-math.
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

// The library's functions, by type.
CAP_INLINE float error_function(float x) { return erff(x); }
CAP_INLINE double error_function(double x) { return erf(x); }
CAP_INLINE float logarithm(float x) { return logf(x); }
CAP_INLINE double logarithm(double x) { return log(x); }

}  // namespace CAP_PATH
}  // namespace cap
