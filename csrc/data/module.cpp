// The Python module capacity.data._rows: rows out of files, and what their chunks hold. Python knows the files; here no
// length is believed, and no call holds the GIL while it works.
#include <fcntl.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <string>

#include "csr.hpp"
#include "layout.hpp"
#include "lzf.hpp"
#include "shuffle.hpp"

namespace py = pybind11;

namespace cap::data {
namespace {

// What is wrong with a file, for a sentence that begins with its name.
struct Damage : std::runtime_error {
  using std::runtime_error::runtime_error;
};

using Bytes = py::array_t<uint8_t, py::array::c_style>;
using Indices = py::array_t<int64_t, py::array::c_style>;

uint8_t* writable(py::array& out, int64_t bytes) {
  if (!(out.flags() & py::array::c_style)) throw std::invalid_argument("out must be C-contiguous");
  if (int64_t(out.nbytes()) != bytes) throw std::invalid_argument("out has the wrong size");
  return static_cast<uint8_t*>(out.mutable_data());
}

void read_exactly(int file, int64_t offset, uint8_t* to, int64_t bytes) {
  while (bytes > 0) {
    const ssize_t got = pread(file, to, size_t(bytes), off_t(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Damage(std::string("reading fails: ") + std::strerror(errno));
    if (got == 0) throw Damage("it ends at byte " + std::to_string(offset) + ", before its rows do");
    offset += got;
    to += got;
    bytes -= got;
  }
}

void read_at(int file, int64_t offset, py::array out) {
  uint8_t* to = writable(out, int64_t(out.nbytes()));
  const int64_t bytes = int64_t(out.nbytes());
  py::gil_scoped_release release;
  read_exactly(file, offset, to, bytes);
}

Layout make_layout(int64_t rows, int64_t row_bytes, int64_t chunk_rows, int64_t chunk_row_bytes, const Indices& offsets,
                   const Bytes& fill) {
  Layout layout{rows,
                row_bytes,
                chunk_rows,
                chunk_row_bytes,
                std::vector<int64_t>(offsets.data(), offsets.data() + offsets.size()),
                std::vector<uint8_t>(fill.data(), fill.data() + fill.size())};
  layout.end = extent(layout);
  if (layout.end < 0) throw std::invalid_argument("these numbers are of no array");
  return layout;
}

void read(const Layout& layout, int file, int64_t start, int64_t stop, py::array out) {
  if (start < 0 || start > stop || stop > layout.rows) throw std::invalid_argument("these are no rows of the array");
  uint8_t* to = writable(out, (stop - start) * layout.row_bytes);
  py::gil_scoped_release release;
  read_rows(layout, start, stop, to,
            [&](int64_t offset, uint8_t* place, int64_t bytes) { read_exactly(file, offset, place, bytes); });
}

// A map of a file that has been cut would end the process (SIGBUS), so that the file's size is asked for first.
void gather_mapped(const Layout& layout, int file, const Bytes& map, const Indices& indices, py::array out) {
  const int64_t n = indices.size();
  uint8_t* to = writable(out, n * layout.row_bytes);
  const uint8_t* from = map.data();
  const int64_t mapped = map.size();
  const int64_t* asked = indices.data();
  py::gil_scoped_release release;
  if (first_outside(layout, asked, n) >= 0) throw std::invalid_argument("these are no rows of the array");
  if (layout.end > mapped) throw std::invalid_argument("the map is too short");
  struct stat now;
  if (fstat(file, &now) != 0) throw Damage(std::string("reading fails: ") + std::strerror(errno));
  if (int64_t(now.st_size) < mapped) throw Damage("it has become shorter since it was opened");
  gather(layout, from, asked, n, to);
}

void decode_lzf(const Bytes& block, py::array out) {
  const int64_t room = int64_t(out.nbytes());
  uint8_t* to = writable(out, room);
  const uint8_t* from = block.data();
  const size_t length = size_t(block.size());
  bool whole;
  {
    py::gil_scoped_release release;
    whole = lzf_decode(from, length, to, size_t(room));
  }
  if (!whole) throw Damage("its lzf data do not decode to " + std::to_string(room) + " bytes");
}

void unshuffle_to(const Bytes& block, int64_t width, py::array out) {
  if (width < 1) throw std::invalid_argument("width must be at least 1");
  uint8_t* to = writable(out, int64_t(block.size()));
  const uint8_t* from = block.data();
  const size_t length = size_t(block.size());
  py::gil_scoped_release release;
  unshuffle(from, length, size_t(width), to);
}

// Returns (what, row): what is '' when all entries were added to out (rows, D), else what is wrong with one of `row`.
template <class T>
py::tuple add_sparse(const Indices& starts, int64_t begin, const Indices& columns,
                     const py::array_t<T, py::array::c_style>& values, py::array_t<T, py::array::c_style> out) {
  if (out.ndim() != 2 || starts.size() != out.shape(0) + 1 || columns.size() != values.size() || begin < 0) {
    throw std::invalid_argument("the shapes do not belong together");
  }
  const int64_t rows = out.shape(0), D = out.shape(1), end = begin + columns.size();
  T* to = out.mutable_data();
  const int64_t *from = starts.data(), *where = columns.data();
  const T* what = values.data();
  SparseAnswer answer;
  {
    py::gil_scoped_release release;
    answer = add_entries(from, rows, begin, end, where, what, D, to);
  }
  const char* words[] = {"", "outside", "overflow"};
  return py::make_tuple(words[int(answer.found)], answer.row);
}

}  // namespace

PYBIND11_MODULE(_rows, m) {
  m.doc() = "Rows out of files, and what their chunks hold.";
  py::register_exception<Damage>(m, "DamageError", PyExc_ValueError);
  py::class_<Layout>(m, "Layout")
      .def(py::init(&make_layout), py::arg("rows"), py::arg("row_bytes"), py::arg("chunk_rows"),
           py::arg("chunk_row_bytes"), py::arg("offsets"), py::arg("fill"))
      .def_readonly("end", &Layout::end)
      .def("read", &read, py::arg("file"), py::arg("start"), py::arg("stop"), py::arg("out").noconvert())
      .def("gather", &gather_mapped, py::arg("file"), py::arg("map").noconvert(), py::arg("rows").noconvert(),
           py::arg("out").noconvert());
  m.def("read_at", &read_at, py::arg("file"), py::arg("offset"), py::arg("out").noconvert());
  m.def("decode_lzf", &decode_lzf, py::arg("block").noconvert(), py::arg("out").noconvert());
  m.def("unshuffle", &unshuffle_to, py::arg("block").noconvert(), py::arg("width"), py::arg("out").noconvert());
  m.def("add_sparse", &add_sparse<int64_t>, py::arg("starts").noconvert(), py::arg("begin"),
        py::arg("columns").noconvert(), py::arg("values").noconvert(), py::arg("out").noconvert());
  m.def("add_sparse", &add_sparse<float>, py::arg("starts").noconvert(), py::arg("begin"),
        py::arg("columns").noconvert(), py::arg("values").noconvert(), py::arg("out").noconvert());
  m.def("add_sparse", &add_sparse<double>, py::arg("starts").noconvert(), py::arg("begin"),
        py::arg("columns").noconvert(), py::arg("values").noconvert(), py::arg("out").noconvert());
}

}  // namespace cap::data
