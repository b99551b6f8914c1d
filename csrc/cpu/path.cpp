#include "path.hpp"

#include <cstring>
#include <stdexcept>

namespace cap {

// setup.py defines CAP_HAVE_AVX2 and CAP_HAVE_AVX512 where it compiles the kernels for these paths.
#ifdef CAP_HAVE_AVX512
namespace avx512 {
const KernelRow* const* kernel_rows();
}
static bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
}
#endif
#ifdef CAP_HAVE_AVX2
namespace avx2 {
const KernelRow* const* kernel_rows();
}
static bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#endif
namespace portable {
const KernelRow* const* kernel_rows();
}

const std::vector<Path>& paths() {
  static const std::vector<Path> all = {
#ifdef CAP_HAVE_AVX512
      {"avx512", has_avx512, avx512::kernel_rows},
#endif
#ifdef CAP_HAVE_AVX2
      {"avx2", has_avx2, avx2::kernel_rows},
#endif
      {"portable", [] { return true; }, portable::kernel_rows},
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

const KernelRow& find_kernel(const std::string& op) {
  for (const KernelRow* const* row = current_path().kernels(); *row; ++row) {
    if (op == (*row)->name) return **row;
  }
  throw std::invalid_argument("there is no CPU kernel for op '" + op + "'");
}

}  // namespace cap
