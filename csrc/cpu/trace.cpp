// trace: the row of this step, in the segment `slot`, <- the column sums of sums (blocks, kTraceSums), in their order.
#include "../common/trace.h"

#include "kernels.hpp"

namespace cap {
namespace CAP_PATH {

template <class T>
void trace(const Call& c, const Frame<T>& f, Share) {
  const double* sums = place_sums(f, c.operands[0]);
  double total[kTraceSums] = {};
  for (int64_t b = 0; b < c.operands[0].rows; ++b) {
    for (int q = 0; q < kTraceSums; ++q) total[q] += sums[b * kTraceSums + q];
  }
  std::memcpy(f.trace + c.attributes.slot * kTraceSums, total, sizeof total);
}

int64_t trace_shares(const Call&, int64_t) { return 1; }

CAP_KERNEL(trace)

}  // namespace CAP_PATH
}  // namespace cap
