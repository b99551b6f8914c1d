// The one pool of threads. A thread that waits (for work, for the others, at a barrier) spins for some 30 us, in which
// the wait nearly always ends on a quiet machine, and then sleeps, so that on a busy one it keeps nobody from working.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>

namespace cap {

// Waits by spinning, then sleeping. Whoever makes `done` true calls wake() afterwards.
class Wait {
 public:
  template <class Done>
  void until(Done done) {
    for (int turn = 0; turn < kTurns; ++turn) {
      if (done()) return;
      pause();
    }
    std::unique_lock<std::mutex> lock(mutex_);
    condition_.wait(lock, done);
  }

  void wake() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
    }  // a sleeper is now either before its test of `done` or asleep
    condition_.notify_all();
  }

 private:
  static constexpr int kTurns = 2000;
  static void pause();
  std::mutex mutex_;
  std::condition_variable condition_;
};

// All of `count` threads pass it together. It may be used again at once.
class Barrier {
 public:
  explicit Barrier(int count) : count_(count) {}

  void wait() {
    const unsigned phase = phase_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == count_) {
      arrived_.store(0, std::memory_order_relaxed);
      phase_.store(phase + 1, std::memory_order_release);
      wait_.wake();
    } else {
      wait_.until([&] { return phase_.load(std::memory_order_acquire) != phase; });
    }
  }

 private:
  const int count_;
  std::atomic<int> arrived_{0};
  std::atomic<unsigned> phase_{0};
  Wait wait_;
};

// Runs job(rank) for every rank below `count`, each on a thread of its own, at the same time; the caller is rank 0.
// Returns when all have ended. Jobs must not throw. May be called by several threads at once, and after a fork.
void run_threads(int count, const std::function<void(int)>& job);

}  // namespace cap
