// The kernels of one path, by op name.
#include "kernels.hpp"
#include "path.hpp"

// clang-format off
#define CAP_OPS(X)      \
  X(gather)             \
  X(dense)              \
  X(dense_grad_input)   \
  X(dense_grad_weight)  \
  X(activation)         \
  X(activation_grad)    \
  X(softmax_xent)       \
  X(topk_errors)        \
  X(tally)              \
  X(sgd)                \
  X(adam)               \
  X(shampoo)            \
  X(trace)
// clang-format on

namespace cap {
namespace CAP_PATH {

#define CAP_DECLARE(name) extern const KernelRow name##_row;
CAP_OPS(CAP_DECLARE)

const KernelRow* const* kernel_rows() {
#define CAP_ENTRY(name) &name##_row,
  static const KernelRow* const rows[] = {CAP_OPS(CAP_ENTRY) nullptr};
  return rows;
}

}  // namespace CAP_PATH
}  // namespace cap
