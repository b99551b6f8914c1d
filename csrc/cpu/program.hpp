// A program and the loop that runs it: all replicas, all steps, without Python in between.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "frame.hpp"
#include "path.hpp"
#include "threads.hpp"

namespace cap {

struct Sizes {  // elements of each arena for one replica
  int64_t arenas[kArenas] = {};
};

// One call and the kernel that runs it.
struct Step {
  Call call;
  const KernelRow* kernel;
};

// What a run is given: row r of each array belongs to replica r. parameters (R, P), optimizer (R, S), anchor (R, P or
// 0), statistics (R, n), trace (R, steps or more, segments, kTraceSums) with the sizes of a replica's and of a step's.
template <class T>
struct Replicas {
  T* parameters;
  T* optimizer;
  T* anchor;  // only read
  double* statistics;
  int64_t statistics_size;
  double* trace;
  int64_t trace_size, trace_step;
  const uint64_t* seeds;
  const double* lrs;
  const int64_t* samples;
  const uint64_t* subsets;
  const bool* active;
  int64_t count;
};

// How threads are used for the next `replicas` of those that are left: `workers` replicas at a time, each by a team of
// `team` threads. This is the one place that decides: as many whole replicas to each thread as there are, or all where
// a model is too small to be shared; then what is left, one replica after the other, all threads inside it.
struct Plan {
  int64_t replicas;
  int workers, team;
};
Plan plan_threads(int threads, int64_t replicas, int64_t most_shares);

// How a fit looks at replicas: after every `every` steps, at most `most` times, a pass over the replica's own rows adds
// up row k of its part of measured (R, most, statistics), zero before. It has come to its end with at most allowed[r]
// in column `wrong`, or with a statistic that is not finite. looked[r] becomes the number of looks.
struct Looks {
  int64_t every, most, statistics, wrong;
  const int64_t* allowed;
  double* measured;
  int64_t* looked;
};

// Memory on cache lines, zeroed.
template <class T>
using Memory = std::unique_ptr<T, void (*)(void*)>;
template <class T>
Memory<T> allocate(int64_t elements);

// The arenas that belong to a worker and not to a replica: their content does not outlive a step.
template <class T>
struct Worker {
  Worker(const Sizes& sizes);
  T* arena(int id) { return id == kGradients ? gradients.get() : activations.get(); }
  Memory<T> gradients, activations;
  std::vector<int32_t> labels;
  Memory<double> sums;
};

template <class T>
class Program {
 public:
  // Throws std::invalid_argument when an operand lies outside its arena or an op has no kernel.
  Program(std::vector<Step> body, std::vector<Step> update, Sizes sizes, int64_t batch, int64_t micro_batch,
          Factors factors);

  // Runs steps first .. first + steps - 1 of every active replica. Not to be called twice at once: it waits. Throws
  // std::invalid_argument where these steps read rows that the source's window does not hold.
  void run(const Replicas<T>& replicas, const Source& source, int64_t first, int64_t steps, int threads);

  // Runs every active replica from step `first` until `evaluation` says that it has fitted its rows; see Looks. Each
  // goes its whole way on its own: none waits for another, and nothing returns to the caller in between. Throws
  // std::invalid_argument where the source has a window.
  void fit(Program& evaluation, const Replicas<T>& replicas, const Source& source, int64_t first, const Looks& looks,
           int threads);

  Worker<T>& worker(int number);
  const Sizes& sizes() const { return sizes_; }
  int64_t batch() const { return batch_; }

 private:
  // A thread's place in a run: its number, the worker whose arenas it uses, and its part in the team of that worker.
  struct Seat {
    int thread, worker;
    Share share;
    Barrier* barrier;  // of the team; none when it is one thread
  };
  using Job = std::function<void(int64_t r, const Seat& seat)>;
  void check_window(const Replicas<T>& replicas, const Source& source, int64_t first, int64_t steps) const;
  void share_out(const Replicas<T>& replicas, int threads, Program* beside, const Job& job);
  void prepare(const Plan& plan);
  void run_replica(const Replicas<T>& replicas, int64_t r, const Source& source, int64_t first, int64_t steps,
                   const Seat& seat);
  void fit_replica(Program& evaluation, const Replicas<T>& replicas, int64_t r, const Source& source, int64_t first,
                   const Looks& looks, const Seat& seat);
  void run_calls(const std::vector<Step>& calls, const Frame<T>& frame, const Seat& seat);

  std::vector<Step> body_, update_;
  Sizes sizes_;
  int64_t batch_, micro_batch_, most_shares_;
  Factors factors_;
  std::vector<std::unique_ptr<Worker<T>>> workers_;
  std::vector<Memory<T>> scratch_;  // one for each thread
  std::mutex busy_;
};

}  // namespace cap
