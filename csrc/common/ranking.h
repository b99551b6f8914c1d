// The order of classes that errors are counted by.
#pragma once

#include "namespace.h"

namespace cap {
namespace CAP_PATH {

// Whether class j comes before the label when classes are sorted by falling logit. Of equal logits the lower class
// comes first; NaN comes before everything, hence the negated comparisons, so that a NaN is an error.
template <class T>
CAP_INLINE bool comes_before(T logit, int64_t j, T own, int64_t label) {
  return j < label ? !(logit < own) : j > label && !(logit <= own);
}

}  // namespace CAP_PATH
}  // namespace cap
