// Included by every op's file: what it needs, and how it enters the table of its path.
#pragma once

#include "../common/namespace.h"
#include "../common/permutation.h"
#include "frame.hpp"
#include "shares.hpp"

// The row of op `name` in this path's table (csrc/cpu/table.cpp).
#define CAP_KERNEL(name) extern const KernelRow name##_row = {#name, name<float>, name<double>, name##_shares};
