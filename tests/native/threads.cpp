// Many short jobs and barriers, from several threads at once; built with the thread sanitizer by test_threads.py.
#include "../../csrc/cpu/threads.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

static void check(bool holds, const char* what) {
  if (!holds) {
    std::printf("failed: %s\n", what);
    std::exit(1);
  }
}

// Every rank runs once, and what ranks write without locks is seen by all after a barrier, and by the caller at the
// end.
static void many_jobs(int count, int jobs) {
  for (int job = 0; job < jobs; ++job) {
    std::vector<int> seen(size_t(count), 0);
    std::vector<long> sums(size_t(count), 0);
    cap::Barrier barrier(count);
    cap::run_threads(count, [&](int rank) {
      for (int round = 0; round < 20; ++round) {
        seen[size_t(rank)] += rank + 1;
        barrier.wait();
        sums[size_t(rank)] = 0;
        for (int v : seen) sums[size_t(rank)] += v;
        barrier.wait();
      }
    });
    for (long sum : sums) check(sum == 20L * count * (count + 1) / 2, "every rank sees what all ranks wrote");
  }
}

int main() {
  many_jobs(1, 3);
  many_jobs(2, 200);
  many_jobs(7, 50);  // more threads than cores: waits end asleep
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i) callers.emplace_back([] { many_jobs(3, 50); });
  for (std::thread& caller : callers) caller.join();
  std::printf("ok\n");
}
