// The engine for the thread sanitizer: every thread of a block is a thread of its own, and the blocks of a small grid
// run at once. This file is compiled without the sanitizer, so that it sees no order in what threads do here but the
// one that is told to it: __syncthreads and __syncwarp order memory, a shuffle does not.
#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <thread>

#include "launch.hpp"

// Absent where the sanitizer is not loaded.
extern "C" void __tsan_acquire(void* address) __attribute__((weak));
extern "C" void __tsan_release(void* address) __attribute__((weak));

namespace cudasim {
namespace {

constexpr int kAtOnce = 512;  // threads, at most, unless one block has more

struct Stop {};  // thrown in every thread that waits after a fault

std::atomic<bool> stopped;
std::mutex error_lock;

[[noreturn]] void stop(const std::string& why) {
  const std::lock_guard<std::mutex> hold(error_lock);
  if (error.empty()) error = why;
  stopped = true;
  throw Stop();
}

// Where the threads of a group come together. They spin: a lock would put them in an order that the kernel did not ask
// for.
class Meeting {
 public:
  explicit Meeting(int size) : size_(size), places_(size_t(size)) {}

  // With `fence`, what threads did to memory before is ordered before what any of them does after.
  void come(int member, const Place& place, bool fence) {
    const unsigned round = round_;
    char* order = &orders_[round % 2];  // a thread that is ahead releases the other, before a slow one acquires this
    if (fence && __tsan_release) __tsan_release(order);
    places_[size_t(member)] = place;
    if (arrived_.fetch_add(1) + 1 == size_) {
      for (const Place& other : places_) {
        if (!(other == place)) stop("a thread waits for " + to_string(place) + ", another for " + to_string(other));
      }
      arrived_ = 0;
      ++round_;
    }
    while (round_ == round) {
      if (stopped) throw Stop();
      if (finished_ > 0 && round_ == round) stop("a thread waits for " + to_string(place) + ", another has finished");
      std::this_thread::yield();
    }
    if (fence && __tsan_acquire) __tsan_acquire(order);
  }
  void finish() { ++finished_; }

 private:
  const int size_;
  std::vector<Place> places_;
  std::atomic<int> arrived_{0}, finished_{0};
  std::atomic<unsigned> round_{0};
  char orders_[2] = {};
};

struct Warp {
  Meeting meeting{kWarp};
  // Two sets: before a lane gives to a set again, all have come to the shuffle between, and so have read the first.
  std::atomic<uint64_t> bits[2][kWarp] = {};
};

struct Block {
  Block(int threads, uint3 index, size_t shared_bytes)
      : index(index), meeting(threads), warps(size_t(threads) / kWarp), shared(shared_bytes, kPoison) {}
  uint3 index;
  Meeting meeting;
  std::vector<Warp> warps;
  std::vector<unsigned char> shared;
};

__thread Block* block;
__thread unsigned shuffles;

Warp& warp() { return block->warps[threadIdx.x / kWarp]; }
int lane() { return int(threadIdx.x % kWarp); }

}  // namespace

void wait(const Place& place) {
  if (place.group == Group::block) return block->meeting.come(int(threadIdx.x), place, true);
  warp().meeting.come(lane(), place, true);
}

uint64_t exchange(uint64_t bits, const Place& place) {
  auto& slots = warp().bits[shuffles++ % 2];
  slots[lane()] = bits;
  warp().meeting.come(lane(), place, false);
  return slots[lane() ^ place.mask];
}

void run_grid(const Kernel& kernel, void* machine, const void* calls, int call, int micro, uint64_t seed) {
  const int threads = int(blockDim.x), blocks_at_once = std::max(1, kAtOnce / threads);
  Orders orders(seed);
  std::vector<int> blocks(size_t(gridDim.x) * gridDim.y);
  orders.draw(blocks);
  stopped = false;
  for (size_t first = 0; first < blocks.size() && error.empty(); first += size_t(blocks_at_once)) {
    std::vector<std::unique_ptr<Block>> wave;
    for (size_t i = first; i < std::min(blocks.size(), first + size_t(blocks_at_once)); ++i) {
      const uint3 index = {unsigned(blocks[i]) % gridDim.x, unsigned(blocks[i]) / gridDim.x, 0};
      wave.push_back(std::make_unique<Block>(threads, index, kernel.shared->size()));
    }
    std::vector<int> order(wave.size() * size_t(threads));
    orders.draw(order);
    std::vector<std::thread> running;
    for (int number : order) {
      running.emplace_back([&, number] {
        block = wave[size_t(number / threads)].get();
        blockIdx = block->index;
        threadIdx = {unsigned(number % threads), 0, 0};
        shared_memory = block->shared.data();
        try {
          kernel.run(machine, calls, call, micro);
        } catch (const Stop&) {
        }
        warp().meeting.finish();
        block->meeting.finish();
      });
    }
    for (std::thread& thread : running) thread.join();
    for (const auto& done : wave) {
      if (error.empty()) error = overrun_shared(*kernel.shared, done->shared.data());
    }
  }
}

}  // namespace cudasim
