// The sums of a trajectory, of a step that somebody else has taken: for capacity.TrajectoryMeter.
#pragma once

#include "frame.hpp"

namespace cap {

// The step from `before` to `after` by the gradient g, seen from `anchor`: adds this share's blocks up into sums
// (blocks, kTraceSums), and copies `after` to `before`, for the next step. The others are (n,).
template <class T>
using SumStep = void (*)(Share share, int64_t n, T* before, const T* after, const T* g, const T* anchor, double* sums);

// Those of one path.
struct StepSums {
  SumStep<float> f32;
  SumStep<double> f64;
};

}  // namespace cap
