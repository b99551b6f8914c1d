// The engine that draws orders from a seed: every thread of a block is a fiber, that runs until it waits for others.
// Fibers start by makecontext and then switch by _longjmp, which unlike swapcontext needs no system call.
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "launch.hpp"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

namespace cudasim {
namespace {

constexpr size_t kStack = 128 * 1024;

enum class State : char { ready, waiting, finished };

struct Fiber {
  jmp_buf registers;
  char* stack = nullptr;
  bool started = false;
  State state = State::ready;
  Place place = {};       // where it waits
  uint64_t bits = 0;      // what it gives to the shuffle it waits at
  uint64_t received = 0;  // what it got from the last one
};

struct Job {
  const Kernel* kernel;
  void* machine;
  const void* calls;
  int call, micro;
};

Fiber fibers[kMostThreads];
jmp_buf scheduler;
int threads, current;
int at_barrier, in_warp[kMostThreads / kWarp];  // how many wait
Job job;

// Tells the address sanitizer that the stack is about to change, or has changed.
#ifdef __SANITIZE_ADDRESS__
const void* scheduler_stack;
size_t scheduler_size;
void leave(const void* stack, size_t size) { __sanitizer_start_switch_fiber(nullptr, stack, size); }
void arrive_in_fiber() { __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_size); }
void arrive_in_scheduler() { __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr); }
void leave_fiber() { leave(scheduler_stack, scheduler_size); }
#else
void leave(const void*, size_t) {}
void arrive_in_fiber() {}
void arrive_in_scheduler() {}
void leave_fiber() {}
#endif

void pause() {
  if (_setjmp(fibers[current].registers) == 0) {
    leave_fiber();
    _longjmp(scheduler, 1);
  }
  arrive_in_fiber();
}

// A fiber lives on from one block to the next.
void fiber_main() {
  arrive_in_fiber();
  for (;;) {
    job.kernel->run(job.machine, job.calls, job.call, job.micro);
    fibers[current].state = State::finished;
    pause();
  }
}

[[noreturn]] void start(Fiber& fiber) {
  if (!fiber.stack) {
    void* stack = mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED) std::abort();
    fiber.stack = static_cast<char*>(stack);
  }
  fiber.started = true;
  ucontext_t context;
  getcontext(&context);
  context.uc_stack.ss_sp = fiber.stack;
  context.uc_stack.ss_size = kStack;
  makecontext(&context, fiber_main, 0);
  setcontext(&context);
  std::abort();
}

// Runs the thread until it waits or finishes.
void resume(int thread) {
  Fiber& fiber = fibers[thread];
  current = thread;
  threadIdx = {unsigned(thread), 0, 0};
  if (_setjmp(scheduler) == 0) {
    leave(fiber.stack, kStack);
    if (!fiber.started) start(fiber);
    _longjmp(fiber.registers, 1);
  }
  arrive_in_scheduler();
}

std::string describe(int thread) {
  const Fiber& fiber = fibers[thread];
  const std::string name = "thread " + std::to_string(thread);
  return fiber.state == State::finished ? name + " has finished" : name + " waits for " + to_string(fiber.place);
}

bool same(const Fiber& a, const Fiber& b) { return a.state == b.state && a.place == b.place; }

// All threads first .. first + count - 1 wait. Lets them go on, or says which two wait at different places.
void release(int first, int count) {
  for (int t = first + 1; t < first + count; ++t) {
    if (!same(fibers[t], fibers[first])) {
      error = describe(first) + ", but " + describe(t);
      return;
    }
  }
  for (int t = first; t < first + count; ++t) {
    if (fibers[t].place.group == Group::warp)
      fibers[t].received = fibers[first + ((t - first) ^ fibers[t].place.mask)].bits;
    fibers[t].state = State::ready;
  }
}

// No thread can go on, and not all have finished.
void report_deadlock() {
  int waiting = 0;
  while (fibers[waiting].state != State::waiting) ++waiting;
  int other = fibers[waiting].place.group == Group::warp ? waiting / kWarp * kWarp : 0;
  while (same(fibers[other], fibers[waiting])) ++other;
  error = describe(waiting) + ", but " + describe(other);
}

void arrive(const Place& place) {
  Fiber& self = fibers[current];
  self.state = State::waiting;
  self.place = place;
  const bool block = place.group == Group::block;
  int& count = block ? at_barrier : in_warp[current / kWarp];
  const int size = block ? threads : kWarp;
  if (++count == size) {
    count = 0;
    release(block ? 0 : current / kWarp * kWarp, size);
  }
  pause();
}

void run_block(Orders& orders, std::vector<int>& order) {
  for (int t = 0; t < threads; ++t) fibers[t].state = State::ready;
  for (int finished = 0; finished < threads;) {
    bool progress = false;
    orders.draw(order);
    for (int t : order) {
      if (fibers[t].state != State::ready) continue;
      resume(t);
      if (!error.empty()) return;
      finished += fibers[t].state == State::finished;
      progress = true;
    }
    if (!progress) return report_deadlock();
  }
}

}  // namespace

void wait(const Place& place) { arrive(place); }

uint64_t exchange(uint64_t bits, const Place& place) {
  fibers[current].bits = bits;
  arrive(place);
  return fibers[current].received;
}

void run_grid(const Kernel& kernel, void* machine, const void* calls, int call, int micro, uint64_t seed) {
  job = {&kernel, machine, calls, call, micro};
  threads = int(blockDim.x);
  at_barrier = 0;
  for (int& count : in_warp) count = 0;
  Orders orders(seed);
  std::vector<int> blocks(size_t(gridDim.x) * gridDim.y), order(static_cast<size_t>(threads));
  std::vector<unsigned char> shared(kernel.shared->size());
  shared_memory = shared.data();
  orders.draw(blocks);
  for (int b : blocks) {
    blockIdx = {unsigned(b) % gridDim.x, unsigned(b) / gridDim.x, 0};
    std::fill(shared.begin(), shared.end(), kPoison);
    run_block(orders, order);
    if (error.empty()) error = overrun_shared(*kernel.shared, shared.data());
    if (error.empty()) continue;
    for (Fiber& fiber : fibers) fiber.started = false;  // whatever waits will never go on
    return;
  }
}

}  // namespace cudasim
