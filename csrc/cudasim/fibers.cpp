// The engine that draws orders from a seed: every thread of a block is a fiber, that runs until it waits for others.
#include <sys/mman.h>

#include "launch.hpp"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

// Saves the registers that a call keeps on the stack, puts the stack pointer into *from, and goes on where `to` was
// put. (swapcontext calls the system at every change, and the address sanitizer understands no jump between stacks.)
extern "C" void cudasim_change(void** from, void* to) __asm__("cudasim_change");

#if defined(__x86_64__)
__asm__(R"(
  .text
  .globl cudasim_change
cudasim_change:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");
constexpr int kSaved = 8;     // words on a new stack: these six, where to return to, and an odd one for alignment
constexpr int kReturnTo = 6;  // the word that says where to
#elif defined(__aarch64__)
__asm__(R"(
  .text
  .globl cudasim_change
cudasim_change:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
)");
constexpr int kSaved = 20;
constexpr int kReturnTo = 11;
#else
#error "the simulator does not know how to change stacks on this processor"
#endif

namespace cudasim {
namespace {

constexpr size_t kStack = 128 * 1024;

enum class State : char { ready, waiting, finished };

struct Fiber {
  char* stack = nullptr;
  void* stack_pointer = nullptr;  // where it goes on; null when it must begin anew
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
void* scheduler;  // its stack pointer
int threads, current;
int at_barrier, in_warp[kMostThreads / kWarp];  // how many wait
Job job;

// The address sanitizer is told before and after that the stack changes.
#ifdef __SANITIZE_ADDRESS__
const void* scheduler_stack;
size_t scheduler_size;
void forget(const Fiber& fiber) { __asan_unpoison_memory_region(fiber.stack, kStack); }
void leave_scheduler(const Fiber& next) { __sanitizer_start_switch_fiber(nullptr, next.stack, kStack); }
void arrive_in_scheduler() { __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr); }
void leave_fiber() { __sanitizer_start_switch_fiber(nullptr, scheduler_stack, scheduler_size); }
void arrive_in_fiber() { __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_size); }
#else
void forget(const Fiber&) {}
void leave_scheduler(const Fiber&) {}
void arrive_in_scheduler() {}
void leave_fiber() {}
void arrive_in_fiber() {}
#endif

void pause() {
  leave_fiber();
  cudasim_change(&fibers[current].stack_pointer, scheduler);
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

// Lets the fiber begin anew, whatever it was doing.
void begin(Fiber& fiber) {
  if (!fiber.stack) {
    void* stack = mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED) std::abort();
    fiber.stack = static_cast<char*>(stack);
  }
  forget(fiber);
  void** saved = reinterpret_cast<void**>(fiber.stack + kStack) - kSaved;
  std::fill(saved, saved + kSaved, nullptr);
  saved[kReturnTo] = reinterpret_cast<void*>(fiber_main);
  fiber.stack_pointer = saved;
}

// Runs the thread until it waits or finishes.
void resume(int thread) {
  Fiber& fiber = fibers[thread];
  if (!fiber.stack_pointer) begin(fiber);
  current = thread;
  threadIdx = {unsigned(thread), 0, 0};
  leave_scheduler(fiber);
  cudasim_change(&scheduler, fiber.stack_pointer);
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
    for (Fiber& fiber : fibers) fiber.stack_pointer = nullptr;  // whatever waits will never go on
    return;
  }
}

}  // namespace cudasim
