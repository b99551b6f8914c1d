// The Python module capacity.engine._cpu: programs in, runs out. Python checks arguments and owns replica memory.
#include "arguments.hpp"
#include "blas.hpp"
#include "permute.hpp"
#include "shares.hpp"
#include "threads.hpp"

namespace cap {

Blas blas;

namespace {

template <class T>
void run(Program<T>& program, const py::tuple& given, const py::tuple& from, int64_t first, int64_t steps,
         int threads) {
  const Replicas<T> replicas = replicas_from<T>(program.sizes(), given);
  const Source source = source_from(from);
  if (!blas.sgemm || !blas.dgemm) throw std::invalid_argument("set_blas must be called first");
  py::gil_scoped_release release;
  program.run(replicas, source, first, steps, threads);
}

// given: (every, wrong, allowed (R,), measured (R, most, statistics), looked (R,)), see Looks
template <class T>
void fit(Program<T>& program, Program<T>& evaluation, const py::tuple& given, const py::tuple& from, int64_t first,
         const std::tuple<int64_t, int64_t, py::array, py::array, py::array>& looks, int threads) {
  const Replicas<T> replicas = replicas_from<T>(program.sizes(), given);
  const Source source = source_from(from);
  const auto& [every, wrong, allowed, measured, looked] = looks;
  const py::ssize_t R = replicas.count;
  if (evaluation.sizes().arenas[kParameters] != program.sizes().arenas[kParameters]) {
    throw std::invalid_argument("evaluation must be of the same network");
  }
  if (measured.ndim() != 3) throw std::invalid_argument("measured must have three axes");
  const Looks asked = {
      every,
      measured.shape(1),
      measured.shape(2),
      wrong,
      exactly<py::array_t<int64_t>>(allowed, {R}, "allowed").data(),
      exactly<py::array_t<double>>(measured, {R, measured.shape(1), measured.shape(2)}, "measured").mutable_data(),
      exactly<py::array_t<int64_t>>(looked, {R}, "looked").mutable_data()};
  if (wrong < 0 || wrong >= asked.statistics) throw std::invalid_argument("wrong must be a column of measured");
  if (!blas.sgemm || !blas.dgemm) throw std::invalid_argument("set_blas must be called first");
  py::gil_scoped_release release;
  program.fit(evaluation, replicas, source, first, asked, threads);
}

// A worker's arena as an array that keeps the program alive; for tests, which run single ops.
template <class T>
py::array arena(py::object self, int id) {
  auto& program = py::cast<Program<T>&>(self);
  Worker<T>& worker = program.worker(0);
  if (id == kSums) return py::array_t<double>(py::ssize_t(program.sizes().arenas[id]), worker.sums.get(), self);
  if (id == kLabels) return py::array_t<int32_t>(py::ssize_t(worker.labels.size()), worker.labels.data(), self);
  if (id != kGradients && id != kActivations) throw std::invalid_argument("this arena does not belong to a worker");
  return py::array_t<T>(py::ssize_t(program.sizes().arenas[id]), worker.arena(id), self);
}

template <class T>
void bind_program(py::module_& m, const char* name) {
  py::class_<Program<T>>(m, name)
      .def(py::init([](const py::list& body, const py::list& update, const std::array<int64_t, kArenas>& sizes,
                       int64_t batch, int64_t micro_batch, const std::string& factors) {
        Sizes s;
        std::copy(sizes.begin(), sizes.end(), s.arenas);
        return std::make_unique<Program<T>>(steps_from(body), steps_from(update), s, batch, micro_batch,
                                            factors_from(factors));
      }))
      .def("run", &run<T>, py::arg("replicas"), py::arg("source"), py::arg("first"), py::arg("steps"),
           py::arg("threads"))
      .def("fit", &fit<T>, py::arg("evaluation"), py::arg("replicas"), py::arg("source"), py::arg("first"),
           py::arg("looks"), py::arg("threads"))
      .def("arena", &arena<T>);
}

py::array_t<double> uniform(uint64_t seed, uint32_t purpose, uint32_t stream, int64_t count) {
  py::array_t<double> out(count);
  double* values = out.mutable_data();
  for (int64_t i = 0; i < count; i += 4) {
    uint32_t words[4];
    portable::philox4x32(seed, purpose, stream, uint64_t(i / 4), words);
    for (int64_t j = i; j < std::min(i + 4, count); ++j) values[j] = (words[j - i] + 0.5) * 0x1p-32;
  }
  return out;
}

py::array_t<int64_t> permutation(uint64_t seed, uint32_t purpose, uint32_t stream, int64_t n,
                                 const py::array_t<int64_t>& positions) {
  py::array_t<int64_t> out(positions.size());
  const Permutation order = portable::make_permutation(seed, purpose, stream, uint64_t(n));
  std::copy_n(positions.data(), positions.size(), out.mutable_data());
  for (py::ssize_t i = 0; i < out.size(); i += portable::kPermuted) {
    const int count = int(std::min<py::ssize_t>(portable::kPermuted, out.size() - i));
    portable::permute(order, count, out.mutable_data() + i);
  }
  return out;
}

template <class T>
SumStep<T> sum_step_of(const StepSums& sums);
template <>
SumStep<float> sum_step_of(const StepSums& sums) {
  return sums.f32;
}
template <>
SumStep<double> sum_step_of(const StepSums& sums) {
  return sums.f64;
}

// (kTraceSums,): see step_sums.hpp. before, after, gradient, anchor (n,)
template <class T>
py::array_t<double> step_sums(py::array_t<T> before, const py::array_t<T>& after, const py::array_t<T>& gradient,
                              const py::array_t<T>& anchor, int threads) {
  const py::ssize_t n = before.size();
  require(before, {n}, "before");
  require(after, {n}, "after");
  require(gradient, {n}, "gradient");
  require(anchor, {n}, "anchor");
  T* const from = before.mutable_data();
  py::array_t<double> out(kTraceSums);
  double* const total = out.mutable_data();
  std::fill_n(total, int(kTraceSums), 0.0);
  py::gil_scoped_release release;
  const int64_t blocks = (n + kTraceBlock - 1) / kTraceBlock;
  std::vector<double> sums(size_t(blocks * kTraceSums));
  const int team = int(portable::share_count(n, portable::kElementShare, threads));
  const SumStep<T> sum_step = sum_step_of<T>(*current_path().step_sums);
  run_threads(team, [&](int rank) {
    sum_step({rank, team}, n, from, after.data(), gradient.data(), anchor.data(), sums.data());
  });
  for (size_t i = 0; i < sums.size(); ++i) total[i % kTraceSums] += sums[i];
  return out;
}

template <class T>
void bind_step_sums(py::module_& m) {
  m.def("step_sums", &step_sums<T>, py::arg("before").noconvert(), py::arg("after").noconvert(),
        py::arg("gradient").noconvert(), py::arg("anchor").noconvert(), py::arg("threads"));
}

std::vector<std::string> supported_paths() {
  std::vector<std::string> names;
  for (const Path& path : paths()) {
    if (path.supported()) names.emplace_back(path.name);
  }
  return names;
}

std::vector<std::string> op_names() {
  std::vector<std::string> names;
  for (const KernelRow* const* row = current_path().kernels(); *row; ++row) names.emplace_back((*row)->name);
  return names;
}

}  // namespace
}  // namespace cap

PYBIND11_MODULE(_cpu, m) {
  using namespace cap;
  m.doc() = "The CPU kernels and the loop that runs programs (csrc/cpu).";
  bind_program<float>(m, "ProgramF32");
  bind_program<double>(m, "ProgramF64");
  m.def("set_blas", [](uintptr_t sgemm, uintptr_t dgemm) {
    blas.sgemm = reinterpret_cast<Gemm<float>>(sgemm);
    blas.dgemm = reinterpret_cast<Gemm<double>>(dgemm);
  });
  bind_step_sums<float>(m);
  bind_step_sums<double>(m);
  m.attr("trace_block") = kTraceBlock;
  m.attr("trace_sums") = int(kTraceSums);
  m.def("uniform", &uniform);
  m.def("permutation", &permutation);
  m.def("supported_paths", &supported_paths);
  m.def("current_path", [] { return std::string(current_path().name); });
  m.def("select_path", &select_path);
  m.def("uses_blas", [] { return current_path().blas; });
  m.def("why_no_bf16", &why_no_bf16);
  m.def("op_names", &op_names);
  m.def("plan_threads", [](int threads, int64_t replicas, int64_t most_shares) {
    const Plan plan = plan_threads(threads, replicas, most_shares);
    return std::make_tuple(plan.replicas, plan.workers, plan.team);
  });
}
