// Sparse rows (CSR) made dense. Row r has the entries [starts[r], starts[r + 1]).
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

namespace cap::data {

enum class Sparse { fine, outside, overflow };

struct SparseAnswer {
  Sparse found;
  int64_t row;  // of the first entry that is wrong
};

// sum += value; false where int64 cannot hold it
template <class T>
bool add(T& sum, T value) {
  if constexpr (std::is_integral_v<T>) {
    return !__builtin_add_overflow(sum, value, &sum);
  } else {
    sum += value;
    return true;
  }
}

// out (rows, D) += the entries [begin, end) of all rows; columns and values (end - begin,) are those entries alone.
// starts (rows + 1,) may hold anything: what lies outside [begin, end) is not touched.
template <class T>
SparseAnswer add_entries(const int64_t* starts, int64_t rows, int64_t begin, int64_t end, const int64_t* columns,
                         const T* values, int64_t D, T* out) {
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t last = std::min(starts[r + 1], end);
    for (int64_t k = std::max(starts[r], begin); k < last; ++k) {
      const int64_t column = columns[k - begin];
      if (column < 0 || column >= D) return {Sparse::outside, r};
      if (!add(out[r * D + column], values[k - begin])) return {Sparse::overflow, r};
    }
  }
  return {Sparse::fine, -1};
}

}  // namespace cap::data
