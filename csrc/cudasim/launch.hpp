// What both engines do about a launch: orders drawn from a seed, errors, guarded memory. The functions in `extern "C"`
// are what tests/cudasim_backend.py calls.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "runtime.hpp"

namespace cudasim {

// Fills `order` with 0 .. size - 1: rising for seed 0, falling for seed 1, shuffled for every other.
class Orders {
 public:
  explicit Orders(uint64_t seed) : seed_(seed), random_(seed) {}
  void draw(std::vector<int>& order);

 private:
  uint64_t seed_;
  std::minstd_rand random_;
};

// What is wrong with the last launch; empty when nothing is.
extern std::string error;

bool operator==(const Place& a, const Place& b);
std::string to_string(const Place& place);

// "wrote past ..." when a byte beside a buffer or a shared array was changed, else empty.
std::string overrun_buffers();
std::string overrun_shared(const SharedLayout& layout, const unsigned char* memory);

// Runs every block once. On a fault, sets `error` and returns early.
void run_grid(const Kernel& kernel, void* machine, const void* calls, int call, int micro, uint64_t seed);

}  // namespace cudasim

extern "C" {
// Returns memory of `bytes` poisoned bytes between guards.
void* sim_allocate(size_t bytes);
void sim_free(void* memory);
// Returns null, or what went wrong.
const char* sim_launch(const cudasim::Kernel* kernel, int grid_x, int grid_y, int block, void* machine,
                       const void* calls, int call, int micro, uint64_t seed);
}
