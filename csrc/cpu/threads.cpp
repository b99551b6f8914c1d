#include "threads.hpp"

#include <unistd.h>

#include <memory>
#include <thread>
#include <vector>

namespace cap {

void Wait::pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

namespace {

// A thread of the pool: sleeps until it is given a job.
struct Helper {
  const std::function<void(int)>* job = nullptr;
  int rank = 0;
  std::atomic<bool> working{false};
  Wait wait;

  void live() {
    for (;;) {
      wait.until([&] { return working.load(std::memory_order_acquire); });
      (*job)(rank);
      working.store(false, std::memory_order_release);
      wait.wake();
    }
  }

  void give(const std::function<void(int)>& what, int number) {
    job = &what;
    rank = number;
    working.store(true, std::memory_order_release);
    wait.wake();
  }

  void join() {
    wait.until([&] { return !working.load(std::memory_order_acquire); });
  }
};

// Helpers are never destroyed: they sleep until the process ends, as they may be asleep when it does.
class Pool {
 public:
  std::vector<Helper*> borrow(int count) {
    std::lock_guard<std::mutex> lock(mutex_);
    while (int(idle_.size()) < count) {
      auto helper = std::make_unique<Helper>();
      std::thread(&Helper::live, helper.get()).detach();
      idle_.push_back(helper.release());
    }
    std::vector<Helper*> lent(idle_.end() - count, idle_.end());
    idle_.resize(idle_.size() - size_t(count));
    return lent;
  }

  void give_back(const std::vector<Helper*>& lent) {
    std::lock_guard<std::mutex> lock(mutex_);
    idle_.insert(idle_.end(), lent.begin(), lent.end());
  }

 private:
  std::mutex mutex_;
  std::vector<Helper*> idle_;
};

// A fork takes no threads along: a child process begins with a pool of its own.
Pool& pool() {
  static std::mutex mutex;
  static Pool* current = nullptr;
  static pid_t owner = 0;
  std::lock_guard<std::mutex> lock(mutex);
  if (owner != getpid()) {
    current = new Pool;
    owner = getpid();
  }
  return *current;
}

}  // namespace

void run_threads(int count, const std::function<void(int)>& job) {
  if (count < 2) return job(0);
  Pool& helpers = pool();
  const std::vector<Helper*> lent = helpers.borrow(count - 1);
  for (int i = 0; i < count - 1; ++i) lent[size_t(i)]->give(job, i + 1);
  job(0);
  for (Helper* helper : lent) helper->join();
  helpers.give_back(lent);
}

}  // namespace cap
