// The engine for the thread sanitizer: every thread of a block is a thread of its own, and the blocks of a small grid
// run at once. This file is compiled without the sanitizer, so that it sees no order in what threads do here but the
// one that is told to it: __syncthreads and __syncwarp order memory, a shuffle does not.
#include <algorithm>
#include <atomic>
#include <functional>
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

void release(void* address) {
  if (__tsan_release) __tsan_release(address);
}
void acquire(void* address) {
  if (__tsan_acquire) __tsan_acquire(address);
}

struct Stop {};  // thrown by every thread that waits for one that will not come

std::mutex error_lock;

// Where the threads of a group come together. No lock is taken, since it would put the threads in an order that the
// kernel did not ask for.
class Meeting {
 public:
  explicit Meeting(int size) : size_(size), places_(size_t(size)) {}

  // With `fence`, what threads did to memory before is ordered before what any of them does after.
  void come(int member, const Place& place, bool fence) {
    const unsigned round = round_;
    char* order = &orders_[round % 2];  // a thread that is ahead releases the other, before a slow one acquires this
    if (fence) release(order);
    places_[size_t(member)] = place;
    if (++arrived_ == size_) {
      for (const Place& other : places_) {
        if (!(other == place)) fail("a thread waits for " + to_string(place) + ", another for " + to_string(other));
      }
      arrived_ = 0;
      next_round();
    } else {
      // All may have come meanwhile, gone on and finished: then nobody is missing from this round.
      if (finished_ > 0 && round_ == round) give_up();
      round_.wait(round);
    }
    if (given_up_) fail("a thread waits for " + to_string(place) + ", another has finished");
    if (fence) acquire(order);
  }

  void finish() {
    ++finished_;
    if (arrived_ > 0) give_up();
  }

 private:
  void next_round() {
    ++round_;
    round_.notify_all();
  }

  void give_up() {
    given_up_ = true;
    next_round();
  }

  [[noreturn]] void fail(const std::string& why) {
    {
      const std::lock_guard<std::mutex> hold(error_lock);
      if (error.empty()) error = why;
    }
    give_up();
    throw Stop();
  }

  const int size_;
  std::vector<Place> places_;
  std::atomic<int> arrived_{0}, finished_{0};
  std::atomic<unsigned> round_{0};
  std::atomic<bool> given_up_{false};
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

// Threads that live as long as the process: to create one takes longer than most kernels.
class Pool {
 public:
  // Calls job(0), ..., job(count - 1) at once. Nothing is ordered for the sanitizer: see run_grid.
  void run(int count, const std::function<void(int)>& job) {
    while (size_ < count) std::thread(&Pool::work, this, size_++, round_.load()).detach();
    job_ = &job;
    left_ = count;
    round_ = (round_ / kMostThreads + 1) * kMostThreads + uint64_t(count - 1);
    round_.notify_all();
    for (int left; (left = left_) > 0;) left_.wait(left);
  }

 private:
  void work(int number, uint64_t round) {
    for (;;) {
      round_.wait(round);
      round = round_;
      if (number > int(round % kMostThreads)) continue;
      (*job_)(number);
      if (--left_ == 0) left_.notify_all();
    }
  }

  int size_ = 0;
  const std::function<void(int)>* job_ = nullptr;
  std::atomic<int> left_{0};
  std::atomic<uint64_t> round_{0};  // its number, and the last thread that takes part in it
};

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

// The sanitizer is told that the launch comes before all blocks, and all blocks before its end; blocks are not ordered,
// even those that run one after another.
void run_grid(const Kernel& kernel, void* machine, const void* calls, int call, int micro, uint64_t seed) {
  static Pool& pool = *new Pool;  // never destroyed, since its threads never end
  const int threads = int(blockDim.x), blocks_at_once = std::max(1, kAtOnce / threads);
  Orders orders(seed);
  std::vector<int> order(size_t(gridDim.x) * gridDim.y);
  orders.draw(order);
  std::vector<std::unique_ptr<Block>> blocks;
  for (int number : order) {
    const uint3 index = {unsigned(number) % gridDim.x, unsigned(number) / gridDim.x, 0};
    blocks.push_back(std::make_unique<Block>(threads, index, kernel.shared->size()));
  }
  static char begin, end;
  release(&begin);
  for (size_t first = 0; first < blocks.size() && error.empty(); first += size_t(blocks_at_once)) {
    const size_t count = std::min(blocks.size() - first, size_t(blocks_at_once));
    pool.run(int(count) * threads, [&](int number) {
      acquire(&begin);
      block = blocks[first + size_t(number / threads)].get();
      blockIdx = block->index;
      threadIdx = {unsigned(number % threads), 0, 0};
      shared_memory = block->shared.data();
      shuffles = 0;
      try {
        kernel.run(machine, calls, call, micro);
      } catch (const Stop&) {
      }
      warp().meeting.finish();
      block->meeting.finish();
      release(&end);
    });
  }
  acquire(&end);
  for (const auto& done : blocks) {
    if (error.empty()) error = overrun_shared(*kernel.shared, done->shared.data());
  }
}

}  // namespace cudasim
