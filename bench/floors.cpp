// What one core can do at most: prints, as JSON, the best of several timings of products and copies. bench/floors.py
// compiles this with -O3 -march=native.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <vector>

#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

namespace {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64, kAccumulators = 24;
#elif defined(__AVX__)
constexpr int kVectorBytes = 32, kAccumulators = 12;
#else
constexpr int kVectorBytes = 16, kAccumulators = 12;
#endif
typedef float Vector __attribute__((vector_size(kVectorBytes)));

constexpr int kRepeats = 7;
constexpr double kSeconds = 0.02;
constexpr std::size_t kInMemory = std::size_t{1} << 27, kInCache = std::size_t{1} << 17;
volatile float sink;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// The most units a second of run(times), which does `units` of work each time.
template <class Run>
double best(double units, Run run) {
  double most = 0;
  long times = 1;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    double seconds;
    for (;; times *= 2) {
      const double start = now();
      run(times);
      seconds = now() - start;
      if (seconds >= kSeconds) break;
    }
    most = std::max(most, static_cast<double>(times) * units / seconds);
  }
  return most;
}

// Independent chains of multiply-add, enough to hide its latency, all in registers.
double multiply_add() {
  constexpr int kInner = 64;
  return best(2.0 * kInner * kAccumulators * kVectorBytes / sizeof(float), [](long times) {
    volatile float one = 1.0f, tiny = 1e-9f;
    const Vector a = one - Vector{}, b = tiny - Vector{};
    Vector sums[kAccumulators];
    for (Vector& sum : sums) sum = one - Vector{};  // read anew each: chains that are equal would be computed once
    for (long turn = 0; turn < times * kInner; ++turn) {
#pragma GCC unroll kAccumulators  // else they would not stay in registers
      for (int i = 0; i < kAccumulators; ++i) sums[i] = sums[i] * a + b;
    }
    for (Vector& sum : sums) sink = sum[0];
  });
}

#ifdef __AVX512BF16__
double multiply_add_bf16() {
  constexpr int kInner = 64, kFlop = 64;  // of vdpbf16ps: 16 sums of 2 products each
  return best(double{kInner} * kAccumulators * kFlop, [](long times) {
    volatile float one = 1.0f, tiny = 1e-9f;
    const __m512bh a = _mm512_cvtne2ps_pbh(_mm512_set1_ps(one), _mm512_set1_ps(one));
    const __m512bh b = _mm512_cvtne2ps_pbh(_mm512_set1_ps(tiny), _mm512_set1_ps(tiny));
    __m512 sums[kAccumulators];
    for (__m512& sum : sums) sum = _mm512_set1_ps(one);
    for (long turn = 0; turn < times * kInner; ++turn) {
#pragma GCC unroll kAccumulators
      for (int i = 0; i < kAccumulators; ++i) sums[i] = _mm512_dpbf16_ps(sums[i], a, b);
    }
    for (__m512& sum : sums) sink = sum[0];
  });
}
#endif

// Bytes read and bytes written, each counted once.
double copy(std::size_t bytes) {
  std::vector<char> from(bytes, 1), to(bytes, 2);
  return best(2.0 * static_cast<double>(bytes), [&](long times) {
    for (long turn = 0; turn < times; ++turn) {
      std::memcpy(to.data(), from.data(), bytes);
      sink = to[static_cast<std::size_t>(turn) % bytes];
    }
  });
}

}  // namespace

int main() {
  std::printf("{\"float32_flop_per_second\": %.6g", multiply_add());
#ifdef __AVX512BF16__
  std::printf(", \"bf16_flop_per_second\": %.6g", multiply_add_bf16());
#endif
  std::printf(", \"copy_bytes_per_second\": %.6g", copy(kInMemory));
  std::printf(", \"cache_copy_bytes_per_second\": %.6g}\n", copy(kInCache));
}
