// How a call is shared out to a team of threads. Shares write different elements, and an element's value does not
// depend on the share it lies in: so every result is bitwise the same with any number of threads.
#pragma once

#include <cstdint>

#include "frame.hpp"

namespace cap {
namespace CAP_PATH {

struct Span {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
};

CAP_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// Borders lie at multiples of this many elements: cache lines, and whole vectors, so that an element is in the same
// lane of the same instruction whatever the share.
constexpr int64_t kUnit = 16;

// Part `rank` of `team` of [0, n), with borders at multiples of `unit`.
CAP_INLINE Span span(const Share& share, int64_t n, int64_t unit = kUnit) {
  if (share.team == 1) return {0, n};  // nearly always: small steps would feel the divisions
  const int64_t units = (n + unit - 1) / unit;
  return {smaller(n, units * share.rank / share.team * unit), smaller(n, units * (share.rank + 1) / share.team * unit)};
}

// A share carries at least this much work, some 20 us on one core, so that a barrier (about 1 us) does not show.
constexpr int64_t kProductShare = int64_t(1) << 21;  // multiply-adds of a product
constexpr int64_t kElementShare = int64_t(1) << 15;  // elements of a pass

// The most shares that are worth while: of `work`, at least `least` each, and no more than `limit`.
CAP_INLINE int64_t share_count(int64_t work, int64_t least, int64_t limit) {
  const int64_t shares = smaller(work / least, limit);
  return shares < 1 ? 1 : shares;
}

}  // namespace CAP_PATH
}  // namespace cap
