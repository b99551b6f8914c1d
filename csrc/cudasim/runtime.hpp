// What a simulated kernel and the two engines that run it know of each other. An engine is fibers.cpp (one thread runs
// a block, in an order drawn from a seed) or threads.cpp (a thread for every thread, for the thread sanitizer).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

struct uint3 {
  unsigned x, y, z;
};

// Plain data, so `__thread`: `thread_local` would go through a function at every access.
extern __thread uint3 threadIdx, blockIdx;
extern uint3 blockDim, gridDim;

namespace cudasim {

constexpr int kWarp = 32;
constexpr int kMostThreads = 1024;
constexpr int kPoison = 0xFF;  // every byte: NaN as float and double, -1 as integer

// Where the shared arrays of one kernel lie in the memory of a block. Filled while the library is loaded.
struct SharedLayout {
  static constexpr int kMost = 32;
  static constexpr size_t kGuard = 128;  // poisoned bytes before, between and after the arrays

  struct Array {
    size_t offset, bytes;
  };
  Array arrays[kMost];
  int count;
  size_t end;  // of the last array

  size_t reserve(size_t bytes);
  size_t size() const { return count ? end + kGuard : 0; }
  // The array next to which something was written, or null. `memory` was poisoned before the block ran.
  const Array* overrun(const unsigned char* memory) const;
};

struct Kernel {
  const char* name;
  void (*run)(void* machine, const void* calls, int call, int micro);
  const SharedLayout* shared;
};

extern __thread unsigned char* shared_memory;  // of the block that runs

// What a thread waits for, and where in the text. Every thread of the group must come to the same place.
enum class Group : char { block, warp };

struct Place {
  Group group;
  const char* file;
  int line;
  int mask;  // of a shuffle
};

void wait(const Place& place);
// Returns the bits that the lane `lane ^ place.mask` of this warp gave.
uint64_t exchange(uint64_t bits, const Place& place);

template <class T>
T exchange_value(T value, const Place& place) {
  static_assert(sizeof(T) <= sizeof(uint64_t), "a shuffle moves at most 8 bytes");
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = exchange(bits, place);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

template <auto kernel>
struct Entry;

template <class Machine, class Call, void (*kernel)(Machine*, const Call*, int, int)>
struct Entry<kernel> {
  static void run(void* machine, const void* calls, int call, int micro) {
    kernel(static_cast<Machine*>(machine), static_cast<const Call*>(calls), call, micro);
  }
};

}  // namespace cudasim
