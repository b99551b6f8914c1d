// The words of CUDA that our kernels use, for a host compiler. tests/cudasim_build.py puts this before a kernel's text
// and rewrites its declarations `__shared__ T name[...];` to CUDASIM_SHARED(name, T, [...]).
#pragma once

#include <math.h>  // in C++ with overloads for float, like the device's

#include "runtime.hpp"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)

#define CUDASIM_PLACE(group, mask) (::cudasim::Place{::cudasim::Group::group, __FILE__, __LINE__, (mask)})
#define __syncthreads() ::cudasim::wait(CUDASIM_PLACE(block, 0))
#define __syncwarp() ::cudasim::wait(CUDASIM_PLACE(warp, 0))
#define CAP_SHUFFLE_XOR(value, mask) ::cudasim::exchange_value((value), CUDASIM_PLACE(warp, mask))

namespace {
cudasim::SharedLayout cudasim_layout;  // of the one kernel of this translation unit
}

namespace cudasim {

// A type of its own for every declaration and, in a template, for every instantiation: they are different arrays.
template <class Tag, size_t bytes>
struct SharedArray {
  static inline const size_t offset = cudasim_layout.reserve(bytes);
};

}  // namespace cudasim

#define CUDASIM_SHARED(name, T, dimensions)                                      \
  struct name##_tag {};                                                          \
  using name##_type = T dimensions;                                              \
  name##_type& name = *reinterpret_cast<name##_type*>(::cudasim::shared_memory + \
                                                      ::cudasim::SharedArray<name##_tag, sizeof(name##_type)>::offset)

#define CUDASIM_KERNEL(stem, function) \
  extern "C" const cudasim::Kernel sim_kernel_##stem = {#stem, cudasim::Entry<function>::run, &cudasim_layout}

#include "tensor_core.hpp"
