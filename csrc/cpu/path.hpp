// Paths: the instruction sets for which the kernels were compiled, and the one in use.
#pragma once

#include <string>
#include <vector>

#include "frame.hpp"
#include "step_sums.hpp"

namespace cap {

struct Path {
  const char* name;
  bool (*supported)();                   // by this processor
  const KernelRow* const* (*kernels)();  // ends with a null pointer
  const StepSums* step_sums;
  bool blas;  // whether large products go to SciPy's BLAS (product.hpp)
};

// Best first.
const std::vector<Path>& paths();

// The best path that this processor supports, or the one that was asked for (by select_path).
const Path& current_path();

// Throws std::invalid_argument when there is no such path or the processor does not support it.
void select_path(const std::string& name);

// Why Factors::bf16 cannot be had on the current path: a sentence without its full stop; null where it can be had.
const char* why_no_bf16();

// The current path's kernel of an op; throws std::invalid_argument when there is none.
const KernelRow& find_kernel(const std::string& op);

}  // namespace cap
