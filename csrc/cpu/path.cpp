#include "path.hpp"

#include <cstring>
#include <stdexcept>

namespace cap {

// setup.py defines CAP_HAVE_AVX2 and CAP_HAVE_AVX512 where it compiles the kernels for these paths, and
// CAP_HAVE_AVX512_BF16 where the compiler knows these instructions.
#ifdef CAP_HAVE_AVX512
namespace avx512 {
const KernelRow* const* kernel_rows();
extern const StepSums step_sums;
}  // namespace avx512
static bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
}
#endif
#ifdef CAP_HAVE_AVX2
namespace avx2 {
const KernelRow* const* kernel_rows();
extern const StepSums step_sums;
}  // namespace avx2
static bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#endif
namespace portable {
const KernelRow* const* kernel_rows();
extern const StepSums step_sums;
}  // namespace portable

// What every processor of the architecture has, so that no flags are needed.
#if defined(__aarch64__)
constexpr const char* kBaseline = "neon";
#else
constexpr const char* kBaseline = "portable";
#endif

const std::vector<Path>& paths() {
  static const std::vector<Path> all = {
#ifdef CAP_HAVE_AVX512
      {"avx512", has_avx512, avx512::kernel_rows, &avx512::step_sums, false},
#endif
#ifdef CAP_HAVE_AVX2
      {"avx2", has_avx2, avx2::kernel_rows, &avx2::step_sums, false},
#endif
      {kBaseline, [] { return true; }, portable::kernel_rows, &portable::step_sums, true},
  };
  return all;
}

static const Path*& selected() {
  static const Path* path = [] {
    for (const Path& candidate : paths()) {
      if (candidate.supported()) return &candidate;
    }
    return &paths().back();
  }();
  return path;
}

const Path& current_path() { return *selected(); }

void select_path(const std::string& name) {
  for (const Path& path : paths()) {
    if (name != path.name) continue;
    if (!path.supported()) throw std::invalid_argument("this processor does not support the path '" + name + "'");
    selected() = &path;
    return;
  }
  throw std::invalid_argument("there is no path '" + name + "' in this build");
}

const char* why_no_bf16() {
#if defined(CAP_HAVE_AVX512_BF16)
  if (!__builtin_cpu_supports("avx512bf16")) return "this processor lacks AVX512_BF16";
  if (std::strcmp(current_path().name, "avx512") != 0) return "CAPACITY_SIMD forces a path that has no AVX512_BF16";
  return nullptr;
#elif defined(CAP_HAVE_AVX512)
  return "the compiler that built this package does not know AVX512_BF16";
#else
  return "processors of this architecture lack AVX512_BF16";
#endif
}

const KernelRow& find_kernel(const std::string& op) {
  for (const KernelRow* const* row = current_path().kernels(); *row; ++row) {
    if (op == (*row)->name) return **row;
  }
  throw std::invalid_argument("there is no CPU kernel for op '" + op + "'");
}

}  // namespace cap
