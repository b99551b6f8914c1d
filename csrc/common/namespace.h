// What every file of ours begins with: whole numbers of known size, and how functions are declared here.
//
// The CPU kernels are compiled once per instruction set ("path") into a namespace of that path's name, so that the
// linker never takes a function of one path for that of another. Code compiled once leaves CAP_PATH at `portable`.
// For CUDA (CAP_CUDA) the text is given to NVRTC, which knows no standard header.
#pragma once

#ifndef CAP_PATH
#define CAP_PATH portable
#endif

#ifdef __CUDACC_RTC__
typedef unsigned char uint8_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
#else
#include <cmath>
#include <cstdint>
#include <cstring>
#endif

#ifdef CAP_CUDA
#define CAP_INLINE static __device__ __forceinline__
#else
#define CAP_INLINE static inline __attribute__((always_inline))
#endif
