// sgd: v = momentum v + g + weight_decay w; w -= lr v, in one pass over all parameters. w, g and, with momentum, v
// (P,).
#include "kernels.hpp"

namespace cap {
namespace CAP_PATH {

template <class T>
void sgd(const Call& c, const Frame<T>& f, int64_t tile) {
  T* w = place(f, c.operands[0]);
  T* v = place(f, c.operands[1]);
  const T* g = place(f, c.operands[2]);
  const T momentum = T(c.attributes.momentum), decay = T(c.attributes.weight_decay), lr = f.lr;
  const Span s = span(tile, c.tiles, c.operands[0].cols, kColumnUnit);
  if (v) {
    for (int64_t i = s.begin; i < s.end; ++i) {
      v[i] = momentum * v[i] + (g[i] + decay * w[i]);
      w[i] -= lr * v[i];
    }
  } else {
    for (int64_t i = s.begin; i < s.end; ++i) w[i] -= lr * (g[i] + decay * w[i]);
  }
}

int64_t sgd_tiles(const Call& c, int64_t) { return tile_count(c.operands[0].cols, kElementTile, c.operands[0].cols); }

CAP_KERNEL(sgd)

}  // namespace CAP_PATH
}  // namespace cap
