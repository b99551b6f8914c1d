// The functions of csrc/tensor/tensor_core.h for a host: words are rounded bit by bit, and a warp multiplies through
// shared memory of its own, every lane by the documented places of the fragments.
#pragma once

#define CAP_TENSOR_CORES cudasim

namespace cudasim {

inline uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float float_of(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline bool is_nan(uint32_t bits) { return (bits & 0x7FFFFFFFu) > 0x7F800000u; }

// 10 bits of fraction; ties away from zero.
inline uint32_t round_tf32(float value) {
  const uint32_t bits = bits_of(value);
  return is_nan(bits) ? 0x7FFFFFFFu : (bits + 0x1000u) & ~0x1FFFu;
}

// 7 bits of fraction; ties to even.
inline uint32_t bf16_of(float value) {
  const uint32_t bits = bits_of(value);
  return is_nan(bits) ? 0x7FFFu : (bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16;
}

inline uint32_t round_bf16(float low, float high) { return bf16_of(high) << 16 | bf16_of(low); }

// What a tensor core reads of a word: number `e` of those in it.
struct Tf32Words {
  static constexpr int count = 1;
  static float number(uint32_t word, int) { return float_of(word & ~0x1FFFu); }
};

struct Bf16Words {
  static constexpr int count = 2;
  static float number(uint32_t word, int e) { return float_of(e ? word & ~0xFFFFu : word << 16); }
};

}  // namespace cudasim

namespace {

// A template, so that only kernels that multiply have the shared array.
template <class Words>
void multiply_words(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  struct Lane {
    uint32_t a[4], b[2];
  };
  CUDASIM_SHARED(lanes, Lane, [cudasim::kMostThreads]);
  const int lane = int(threadIdx.x) % cudasim::kWarp, g = lane / 4, t = lane % 4;
  Lane* warp = lanes + (int(threadIdx.x) - lane);
  std::memcpy(warp[lane].a, a, sizeof a);
  std::memcpy(warp[lane].b, b, sizeof b);
  __syncwarp();
  for (int i = 0; i < 4; ++i) {
    const int row = g + i / 2 * 8, col = 2 * t + i % 2;
    for (int word = 0; word < 8; ++word) {
      // A[row][word] is held by the lane of group row % 8 and member word % 4, B[word][col] by that of group col.
      const uint32_t x = warp[row % 8 * 4 + word % 4].a[word / 4 * 2 + row / 8];
      const uint32_t y = warp[col * 4 + word % 4].b[word / 4];
      for (int e = 0; e < Words::count; ++e) c[i] += Words::number(x, e) * Words::number(y, e);
    }
  }
  __syncwarp();
}

}  // namespace

namespace cudasim {

// Static: each kernel's text has its own, with its own shared array.
template <int = 0>
static void multiply_tf32(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  multiply_words<Tf32Words>(c, a, b);
}

template <int = 0>
static void multiply_bf16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  multiply_words<Bf16Words>(c, a, b);
}

}  // namespace cudasim
