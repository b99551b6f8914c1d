// topk_errors: wrong (B,) = 1 where k or more classes come before the label by falling logit. Of equal logits the lower
// class comes first; NaN comes before everything, hence the negated comparisons. z (B, K), y (B,). Tiles are rows.
#include "kernels.hpp"

namespace cap {
namespace CAP_PATH {

template <class T>
void topk_errors(const Call& c, const Frame<T>& f, int64_t tile) {
  const int64_t K = c.operands[1].cols;
  T* wrong = place(f, c.operands[0]);
  const T* z = place(f, c.operands[1]);
  const int32_t* y = place_labels(f, c.operands[2]);
  const Span s = span(tile, c.tiles, f.rows);
  for (int64_t r = s.begin; r < s.end; ++r) {
    const T* zr = z + r * K;
    const T own = zr[y[r]];
    int64_t before = 0;
    for (int64_t j = 0; j < y[r]; ++j) before += !(zr[j] < own);
    for (int64_t j = y[r] + 1; j < K; ++j) before += !(zr[j] <= own);
    wrong[r] = before >= c.attributes.k ? T(1) : T(0);
  }
}

int64_t topk_errors_tiles(const Call& c, int64_t max_rows) {
  return tile_count(max_rows * c.operands[1].cols, kElementTile, max_rows);
}

CAP_KERNEL(topk_errors)

}  // namespace CAP_PATH
}  // namespace cap
