#include "launch.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <numeric>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

__thread uint3 threadIdx, blockIdx;
uint3 blockDim, gridDim;

namespace cudasim {

__thread unsigned char* shared_memory;
std::string error;

namespace {

constexpr size_t kGuard = 4096;  // bytes on either side of a buffer

std::map<unsigned char*, size_t> buffers;  // their bytes, by where they begin

// The address sanitizer watches the guards itself, reads too; reading them here would be reported.
#ifdef __SANITIZE_ADDRESS__
void guard(const unsigned char* begin) { __asan_poison_memory_region(begin, kGuard); }
void release(const unsigned char* begin) { __asan_unpoison_memory_region(begin, kGuard); }
bool intact(const unsigned char*, size_t) { return true; }
#else
void guard(const unsigned char*) {}
void release(const unsigned char*) {}
bool intact(const unsigned char* begin, size_t bytes) {
  return std::all_of(begin, begin + bytes, [](unsigned char byte) { return byte == kPoison; });
}
#endif

}  // namespace

size_t SharedLayout::reserve(size_t bytes) {
  if (count == kMost) std::abort();  // raise kMost
  constexpr size_t alignment = 16;
  const size_t offset = (end + kGuard + alignment - 1) / alignment * alignment;
  arrays[count++] = {offset, bytes};
  end = offset + bytes;
  return offset;
}

const SharedLayout::Array* SharedLayout::overrun(const unsigned char* memory) const {
  for (int i = 0; i < count; ++i) {
    const Array& array = arrays[i];
    const unsigned char *begin = memory + array.offset, *after = begin + array.bytes;
    const auto changed = [](unsigned char byte) { return byte != kPoison; };
    if (std::any_of(begin - kGuard, begin, changed) || std::any_of(after, after + kGuard, changed)) return &array;
  }
  return nullptr;
}

void Orders::draw(std::vector<int>& order) {
  std::iota(order.begin(), order.end(), 0);
  if (seed_ == 1) std::reverse(order.begin(), order.end());
  if (seed_ > 1) std::shuffle(order.begin(), order.end(), random_);
}

bool operator==(const Place& a, const Place& b) {
  return a.group == b.group && a.line == b.line && a.mask == b.mask && std::strcmp(a.file, b.file) == 0;
}

std::string to_string(const Place& place) {
  const std::string who = place.group == Group::block ? "all of its block" : "all of its warp";
  const std::string mask = place.mask ? " (a shuffle with mask " + std::to_string(place.mask) + ")" : "";
  return who + " at " + place.file + ":" + std::to_string(place.line) + mask;
}

std::string overrun_buffers() {
  for (const auto& [begin, bytes] : buffers) {
    const std::string what = " a buffer of " + std::to_string(bytes) + " bytes";
    if (!intact(begin - kGuard, kGuard)) return "wrote before" + what;
    if (!intact(begin + bytes, kGuard)) return "wrote past" + what;
  }
  return {};
}

std::string overrun_shared(const SharedLayout& layout, const unsigned char* memory) {
  const auto* array = layout.overrun(memory);
  return array ? "wrote beside a shared array of " + std::to_string(array->bytes) + " bytes" : std::string();
}

}  // namespace cudasim

using namespace cudasim;

void* sim_allocate(size_t bytes) {
  const size_t whole = bytes + 2 * kGuard;
  // Aligned like device memory.
  auto* begin = static_cast<unsigned char*>(std::aligned_alloc(256, (whole + 255) / 256 * 256)) + kGuard;
  std::memset(begin - kGuard, kPoison, whole);
  guard(begin - kGuard);
  guard(begin + bytes);
  buffers[begin] = bytes;
  return begin;
}

void sim_free(void* memory) {
  auto* begin = static_cast<unsigned char*>(memory);
  release(begin - kGuard);
  release(begin + buffers[begin]);
  buffers.erase(begin);
  std::free(begin - kGuard);
}

const char* sim_launch(const Kernel* kernel, int grid_x, int grid_y, int block, void* machine, const void* calls,
                       int call, int micro, uint64_t seed) {
  error.clear();
  if (block < kWarp || block > kMostThreads || block % kWarp) {
    error = "a block of " + std::to_string(block) + " threads: not a multiple of 32 up to 1024";
  } else if (grid_x < 1 || grid_y < 1 || grid_y > 65535) {
    error = "a grid of " + std::to_string(grid_x) + " x " + std::to_string(grid_y) + " blocks";
  } else {
    blockDim = {unsigned(block), 1, 1};
    gridDim = {unsigned(grid_x), unsigned(grid_y), 1};
    run_grid(*kernel, machine, calls, call, micro, seed);
    if (error.empty()) error = overrun_buffers();
  }
  return error.empty() ? nullptr : error.c_str();
}
