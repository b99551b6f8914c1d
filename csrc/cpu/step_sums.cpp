// The sums of a step that somebody else has taken, for every path.
#include "step_sums.hpp"

#include "trace.hpp"

namespace cap {
namespace CAP_PATH {

template <class T>
void sum_step(Share share, int64_t n, T* before, const T* after, const T* g, const T* anchor, double* sums) {
  const Span s = span(share, n, kTraceBlock);
  for (int64_t i = s.begin; i < s.end; i += kTraceBlock) {
    const int64_t count = smaller(kTraceBlock, s.end - i);
    TraceLanes lanes;
    add_chunk(lanes, before + i, after + i, g + i, anchor + i, count);
    join_lanes(lanes, sums + i / kTraceBlock * kTraceSums);
    std::memcpy(before + i, after + i, size_t(count) * sizeof(T));
  }
}

extern const StepSums step_sums = {sum_step<float>, sum_step<double>};

}  // namespace CAP_PATH
}  // namespace cap
