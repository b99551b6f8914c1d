// tally: statistics[slot] += sum of v (B,), in float64 and in the order of the rows.
#include "kernels.hpp"

namespace cap {
namespace CAP_PATH {

template <class T>
void tally(const Call& c, const Frame<T>& f, Share) {
  const T* v = place(f, c.operands[0]);
  double sum = 0;
  for (int64_t r = 0; r < f.rows; ++r) sum += double(v[r]);
  f.statistics[c.attributes.slot] += sum;
}

int64_t tally_shares(const Call&, int64_t) { return 1; }

CAP_KERNEL(tally)

}  // namespace CAP_PATH
}  // namespace cap
