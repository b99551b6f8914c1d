// The sums of a trajectory: what an update adds up over the parameters while it changes them, in float64. `anchor` is
// the point that distances are measured from, w and g are those before the update.
#pragma once

#include "call.h"

namespace cap {

// |g|^2, |dw|^2 with dw the difference of the stored numbers, <w - anchor, g>, |w - anchor|^2. The order is that of
// capacity.engine.trajectory.Sums.
enum TraceSum { kGradient, kStep, kAlong, kDistance, kTraceSums };

// Sums are taken over so many parameters at a time, and then over these blocks, so that their order does not depend on
// who adds up which block. The same number is in capacity/engine/trajectory.py.
constexpr int64_t kTraceBlock = 4096;

namespace CAP_PATH {

// Of an operand without a batch axis.
CAP_INLINE int64_t elements(const Operand& o) { return o.rows * o.cols; }

}  // namespace CAP_PATH

}  // namespace cap
