// The kernels are compiled once per instruction set ("path") into a namespace of that path's name, so that the linker
// never takes a function of one path for that of another. Code compiled once leaves CAP_PATH at `portable`.
#pragma once

#include <type_traits>

#ifndef CAP_PATH
#define CAP_PATH portable
#endif

#define CAP_INLINE static inline __attribute__((always_inline))
