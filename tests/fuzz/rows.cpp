// libFuzzer's entry to what csrc/data does with bytes of files: each answer is held against one found slowly, and the
// sanitizers watch every access. tests/test_rows_native.py reads the same inputs, and says what their bytes mean.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "../../csrc/data/csr.hpp"
#include "../../csrc/data/layout.hpp"
#include "../../csrc/data/lzf.hpp"
#include "../../csrc/data/shuffle.hpp"

using namespace cap::data;

namespace {

#define REQUIRE(condition)                                                 \
  do {                                                                     \
    if (!(condition)) {                                                    \
      std::fprintf(stderr, "line %d: not so: %s\n", __LINE__, #condition); \
      std::abort();                                                        \
    }                                                                      \
  } while (false)

// Numbers from the input, little-endian; zeros once it is used up.
struct Input {
  const uint8_t* at;
  size_t left;

  uint64_t number(int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes && left > 0; ++i, ++at, --left) value |= uint64_t(*at) << 8 * i;
    return value;
  }

  // As in a heap block of its own, so that reading past its end is seen.
  std::vector<uint8_t> rest() const {
    std::vector<uint8_t> bytes(at, at + left);
    bytes.shrink_to_fit();
    return bytes;
  }
};

bool slow_lzf(const std::vector<uint8_t>& in, std::vector<uint8_t>& out) {
  size_t i = 0, o = 0;
  auto put = [&](uint8_t byte) { return o < out.size() ? (out[o++] = byte, true) : false; };
  while (i < in.size()) {
    const size_t control = in[i++];
    if (control < 32) {
      for (size_t k = 0; k <= control; ++k) {
        if (i == in.size() || !put(in[i++])) return false;
      }
      continue;
    }
    size_t n = control >> 5;
    if (n == 7) {
      if (i == in.size()) return false;
      n += in[i++];
    }
    if (i == in.size()) return false;
    const size_t distance = (control & 31) * 256 + in[i++] + 1;
    for (size_t k = 0; k < n + 2; ++k) {
      if (distance > o || !put(out[o - distance])) return false;
    }
  }
  return o == out.size();
}

void try_lzf(Input input) {
  const size_t room = size_t(input.number(2));
  const std::vector<uint8_t> in = input.rest();
  std::vector<uint8_t> out(room), slow(room);
  const bool whole = lzf_decode(in.data(), in.size(), out.data(), room);
  REQUIRE(whole == slow_lzf(in, slow));
  REQUIRE(!whole || out == slow);
}

void try_unshuffle(Input input) {
  const size_t width = size_t(input.number(2));
  const std::vector<uint8_t> in = input.rest();
  std::vector<uint8_t> out(in.size()), slow(in);
  unshuffle(in.data(), in.size(), width, out.data());
  const size_t count = width > 1 ? in.size() / width : 0;
  for (size_t i = 0; i < count && count > 1; ++i) {
    for (size_t byte = 0; byte < width; ++byte) slow[i * width + byte] = in[byte * count + i];
  }
  REQUIRE(out == slow);
}

template <class T>
void try_sparse(Input input) {
  const int64_t rows = int64_t(input.number(1) % 16), D = int64_t(input.number(1) % 16) + 1;
  const int64_t begin = int64_t(input.number(1)), n = int64_t(input.number(1) % 64);
  std::vector<int64_t> starts, columns;
  std::vector<T> values, out(size_t(rows * D));
  for (int64_t r = 0; r <= rows; ++r) starts.push_back(int16_t(input.number(2)));
  for (int64_t k = 0; k < n; ++k) columns.push_back(int8_t(input.number(1)));
  for (int64_t k = 0; k < n; ++k) values.push_back(T(int64_t(input.number(8))));
  const SparseAnswer answer =
      add_entries(starts.data(), rows, begin, begin + n, columns.data(), values.data(), D, out.data());
  REQUIRE((answer.found == Sparse::fine) == (answer.row == -1));
  for (int64_t k = begin; k < begin + n && answer.found == Sparse::fine; ++k) {
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t column = columns[size_t(k - begin)];
      if (starts[size_t(r)] <= k && k < starts[size_t(r) + 1]) REQUIRE(0 <= column && column < D);
    }
  }
}

void try_layout(Input input) {
  const int bytes = input.number(1) % 2 ? 8 : 1;  // of the numbers that follow
  auto number = [&] { return int64_t(input.number(bytes)); };
  Layout layout{number(), number(), number(), number(), {}, std::vector<uint8_t>(input.number(1) % 9, 0)};
  for (uint8_t& byte : layout.fill) byte = uint8_t(input.number(1));
  const size_t cells = size_t(input.number(1) % 64);
  for (size_t i = 0; i < cells; ++i)
    layout.offsets.push_back(bytes == 8 ? number() : int64_t(int16_t(input.number(2))));
  layout.end = extent(layout);
  if (layout.end < 0 || layout.end > 1 << 16 || layout.rows * layout.row_bytes > 1 << 16) return;

  std::vector<uint8_t> file(size_t(layout.end));
  for (size_t i = 0; i < file.size(); ++i) file[i] = uint8_t(i * 131 + (i >> 8));
  const int64_t start = layout.rows ? int64_t(input.number(1)) % (layout.rows + 1) : 0;
  const int64_t stop = start + int64_t(input.number(1)) % (layout.rows - start + 1);
  std::vector<uint8_t> read(size_t((stop - start) * layout.row_bytes)), gathered(read.size());
  read_rows(layout, start, stop, read.data(), [&](int64_t offset, uint8_t* to, int64_t n) {
    REQUIRE(0 <= offset && n >= 0 && offset + n <= layout.end);
    std::copy_n(file.data() + offset, n, to);
  });
  std::vector<int64_t> rows;
  for (int64_t row = start; row < stop; ++row) rows.push_back(row);
  REQUIRE(first_outside(layout, rows.data(), int64_t(rows.size())) == -1);
  gather(layout, file.data(), rows.data(), int64_t(rows.size()), gathered.data());
  REQUIRE(read == gathered);
  for (int64_t wrong : {int64_t(-1), layout.rows}) {
    rows.push_back(wrong);
    REQUIRE(first_outside(layout, rows.data(), int64_t(rows.size())) == stop - start);
    rows.pop_back();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input{data, size};
  switch (input.number(1) % 6) {
    case 0:
      try_lzf(input);
      break;
    case 1:
      try_unshuffle(input);
      break;
    case 2:
      try_sparse<int64_t>(input);
      break;
    case 3:
      try_sparse<float>(input);
      break;
    case 4:
      try_sparse<double>(input);
      break;
    case 5:
      try_layout(input);
      break;
  }
  return 0;
}
