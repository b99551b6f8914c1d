#include "program.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <new>
#include <stdexcept>

namespace cap {

Plan plan_threads(int threads, int64_t replicas, int64_t most_shares) {
  if (threads == 1 || most_shares == 1) return {replicas, int(std::min<int64_t>(threads, replicas)), 1};
  if (replicas >= threads) return {replicas / threads * threads, threads, 1};
  return {replicas, 1, int(std::min<int64_t>(threads, most_shares))};
}

template <class T>
Memory<T> allocate(int64_t elements) {
  const size_t bytes = (size_t(elements) * sizeof(T) / 64 + 1) * 64;
  Memory<T> memory(static_cast<T*>(std::aligned_alloc(64, bytes)), std::free);
  if (!memory) throw std::bad_alloc();
  std::fill_n(memory.get(), elements, T(0));
  return memory;
}

template <class T>
Worker<T>::Worker(const Sizes& sizes)
    : gradients(allocate<T>(sizes.arenas[kGradients])),
      activations(allocate<T>(sizes.arenas[kActivations])),
      labels(size_t(sizes.arenas[kLabels])),
      sums(allocate<double>(sizes.arenas[kSums])) {}

static void check(const std::vector<Step>& calls, const Sizes& sizes, int64_t micro_batch) {
  for (const Step& step : calls) {
    for (const Operand& o : step.call.operands) {
      if (o.arena < 0) continue;
      const int64_t rows = o.rows == kBatchRows ? micro_batch : o.rows;
      if (o.arena >= kArenas || o.offset < 0 || rows < 0 || o.cols < 0 ||
          o.offset + rows * o.cols > sizes.arenas[o.arena]) {
        throw std::invalid_argument(std::string("an operand of op '") + step.kernel->name + "' lies outside its arena");
      }
    }
  }
}

template <class T>
Program<T>::Program(std::vector<Step> body, std::vector<Step> update, Sizes sizes, int64_t batch, int64_t micro_batch,
                    Factors factors)
    : body_(std::move(body)),
      update_(std::move(update)),
      sizes_(sizes),
      batch_(batch),
      micro_batch_(micro_batch),
      factors_(factors) {
  most_shares_ = 1;
  for (auto* calls : {&body_, &update_}) {
    check(*calls, sizes_, micro_batch_);
    for (Step& step : *calls) {
      step.call.shares = step.kernel->shares(step.call, micro_batch_);
      most_shares_ = std::max(most_shares_, step.call.shares);
    }
  }
}

template <class T>
Worker<T>& Program<T>::worker(int number) {
  while (int(workers_.size()) <= number) workers_.push_back(std::make_unique<Worker<T>>(sizes_));
  return *workers_[size_t(number)];
}

template <class T>
void Program<T>::run(const Replicas<T>& replicas, const Source& source, int64_t first, int64_t steps, int threads) {
  std::lock_guard<std::mutex> guard(busy_);
  if (source.window.samples > 0) check_window(replicas, source, first, steps);
  if (source.samples == 0) return;
  share_out(replicas, threads, nullptr,
            [&](int64_t r, const Seat& seat) { run_replica(replicas, r, source, first, steps, seat); });
}

template <class T>
void Program<T>::fit(Program& evaluation, const Replicas<T>& replicas, const Source& source, int64_t first,
                     const Looks& looks, int threads) {
  std::scoped_lock guard(busy_, evaluation.busy_);
  if (source.window.samples > 0) throw std::invalid_argument("a fit needs a source of all rows, not of a window");
  share_out(replicas, threads, &evaluation,
            [&](int64_t r, const Seat& seat) { fit_replica(evaluation, replicas, r, source, first, looks, seat); });
}

template <class T>
void Program<T>::check_window(const Replicas<T>& replicas, const Source& source, int64_t first, int64_t steps) const {
  const Window& window = source.window;
  for (int64_t r = 0; r < replicas.count; ++r) {
    if (replicas.samples[r] != window.samples) {
      throw std::invalid_argument("samples must be those of the window's epoch in every replica");
    }
  }
  if (steps <= 0) return;
  const int64_t per_epoch = (window.samples + batch_ - 1) / batch_, step = first % per_epoch;
  const bool wraps = steps > per_epoch - step;  // then they come to both ends of the epoch
  const int64_t begin = wraps ? 0 : step * batch_;
  const int64_t end = wraps ? window.samples : std::min((step + steps) * batch_, window.samples);
  if (first < 0 || begin < window.first || end - window.first > source.samples) {
    throw std::invalid_argument("steps leave the window of the source");
  }
}

// Calls the job for every active replica: once, or once by each thread of a team. `beside`: another program that the
// job runs, or none.
template <class T>
void Program<T>::share_out(const Replicas<T>& replicas, int threads, Program* beside, const Job& job) {
  std::vector<int64_t> active;
  for (int64_t r = 0; r < replicas.count; ++r) {
    if (replicas.active[r]) active.push_back(r);
  }
  for (size_t begin = 0; begin < active.size();) {
    const Plan plan = plan_threads(threads, int64_t(active.size() - begin), most_shares_);
    const int64_t* numbers = active.data() + begin;
    prepare(plan);
    if (beside) beside->prepare(plan);
    if (plan.team == 1) {
      std::atomic<int64_t> next{0};  // replicas are taken as threads come free
      run_threads(plan.workers, [&](int rank) {
        for (int64_t i = next++; i < plan.replicas; i = next++) job(numbers[i], {rank, rank, {0, 1}, nullptr});
      });
    } else {
      Barrier barrier(plan.team);
      run_threads(plan.team, [&](int rank) {
        for (int64_t i = 0; i < plan.replicas; ++i) job(numbers[i], {rank, 0, {rank, plan.team}, &barrier});
      });
    }
    begin += size_t(plan.replicas);
  }
}

// All memory is there before the threads start.
template <class T>
void Program<T>::prepare(const Plan& plan) {
  worker(plan.workers - 1);
  while (int(scratch_.size()) < plan.workers * plan.team) scratch_.push_back(allocate<T>(kScratchElements));
}

// Every thread of a team reads the same statistics after the same barrier, and so comes to the same end.
template <class T>
void Program<T>::fit_replica(Program& evaluation, const Replicas<T>& replicas, int64_t r, const Source& source,
                             int64_t first, const Looks& looks, const Seat& seat) {
  const int64_t batches = (replicas.samples[r] + evaluation.batch_ - 1) / evaluation.batch_;
  Replicas<T> measured = replicas;
  measured.statistics_size = looks.most * looks.statistics;
  bool ended = false;
  for (int64_t k = 0; k < looks.most && !ended; ++k) {
    run_replica(replicas, r, source, first + k * looks.every, looks.every, seat);
    measured.statistics = looks.measured + k * looks.statistics;
    evaluation.run_replica(measured, r, source, 0, batches, seat);
    const double* found = measured.statistics + r * measured.statistics_size;
    ended = found[looks.wrong] <= double(looks.allowed[r]) ||
            !std::all_of(found, found + looks.statistics, [](double value) { return std::isfinite(value); });
    if (seat.share.rank == 0) looks.looked[r] = k + 1;
  }
}

static Permutation order_of(const Window& window, int64_t rows) {
  return portable::make_permutation(window.seed, portable::kPurposeWindow, window.number, uint64_t(rows));
}

// Every thread of a team computes the same frames and takes its share of each call.
template <class T>
void Program<T>::run_replica(const Replicas<T>& replicas, int64_t r, const Source& source, int64_t first, int64_t steps,
                             const Seat& seat) {
  Worker<T>& worker = *workers_[size_t(seat.worker)];
  const int64_t samples = replicas.samples[r], per_epoch = (samples + batch_ - 1) / batch_;
  Frame<T> frame;
  frame.arenas[kParameters] = replicas.parameters + r * sizes_.arenas[kParameters];
  frame.arenas[kOptimizer] = replicas.optimizer + r * sizes_.arenas[kOptimizer];
  frame.arenas[kAnchor] = replicas.anchor + r * sizes_.arenas[kAnchor];
  frame.arenas[kGradients] = worker.arena(kGradients);
  frame.arenas[kActivations] = worker.arena(kActivations);
  frame.labels = worker.labels.data();
  frame.sums = worker.sums.get();
  frame.scratch = scratch_[size_t(seat.thread)].get();
  frame.factors = factors_;
  frame.statistics = replicas.statistics + r * replicas.statistics_size;
  frame.source = &source;
  frame.lr = T(replicas.lrs[r]);
  frame.subset = portable::make_subset(replicas.subsets[r], samples, source.samples);  // of a window, all rows
  int64_t epoch = -1;
  for (int64_t t = first; t < first + steps; ++t) {
    if (t / per_epoch != epoch) {
      epoch = t / per_epoch;
      frame.order = source.window.samples > 0 ? order_of(source.window, source.samples)
                                              : portable::make_permutation(replicas.seeds[r], portable::kPurposeOrder,
                                                                           uint32_t(epoch), uint64_t(samples));
    }
    const int64_t begin = t % per_epoch * batch_, end = std::min(begin + batch_, samples);
    frame.batch_rows = end - begin;
    frame.step = t;
    frame.trace = replicas.trace + r * replicas.trace_size + (t - first) * replicas.trace_step;
    for (frame.start = begin; frame.start < end; frame.start += micro_batch_) {
      frame.rows = std::min(micro_batch_, end - frame.start);
      frame.accumulate = frame.start > begin;
      run_calls(body_, frame, seat);
    }
    run_calls(update_, frame, seat);
  }
}

template <class T>
static Kernel<T> kernel_of(const KernelRow& row);
template <>
Kernel<float> kernel_of(const KernelRow& row) {
  return row.f32;
}
template <>
Kernel<double> kernel_of(const KernelRow& row) {
  return row.f64;
}

template <class T>
void Program<T>::run_calls(const std::vector<Step>& calls, const Frame<T>& frame, const Seat& seat) {
  for (size_t i = 0; i < calls.size(); ++i) {
    const Call& call = calls[i].call;
    const Share share = {seat.share.rank, int(std::min<int64_t>(seat.share.team, call.shares))};
    if (share.rank < share.team) kernel_of<T> (*calls[i].kernel)(call, frame, share);
    // What one thread does alone, one after the other, needs no barrier between.
    const bool alone = call.shares == 1 && i + 1 < calls.size() && calls[i + 1].call.shares == 1;
    if (seat.barrier && !alone) seat.barrier->wait();
  }
}

template struct Worker<float>;
template struct Worker<double>;
template class Program<float>;
template class Program<double>;

}  // namespace cap
