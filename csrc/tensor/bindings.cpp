// The module capacity._cuda: products on tensor cores with what follows them in one kernel. Called with addresses on
// the device, it checks what can be checked on the host, enqueues, and returns; it allocates nothing and never waits.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>  // std::optional

#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>

#include "tensor_product.h"

namespace py = pybind11;

namespace cap {
namespace {

using Place = std::tuple<uintptr_t, int64_t, int64_t>;  // of a matrix: address, ld, stride
using Shape = std::tuple<int64_t, int64_t, int64_t>;    // m, n, k

constexpr int kMostReplicas = 65535;  // blocks along y

Precision precision_of(const std::string& name) {
  if (name == "tf32") return Precision::tf32;
  if (name == "bf16") return Precision::bf16;
  throw std::invalid_argument("precision must be 'tf32' or 'bf16', got '" + name + "'");
}

Activation activation_of(int number) {
  if (number < 0 || number > int(Activation::gelu)) {
    throw std::invalid_argument("no activation has the number " + std::to_string(number));
  }
  return Activation(number);
}

Matrix matrix(const char* name, const Place& place, int64_t cols) {
  const auto [address, ld, stride] = place;
  const auto refuse = [&](const std::string& why) { throw std::invalid_argument(name + (" " + why)); };
  if (address == 0) refuse("has no address");
  if (address % sizeof(float)) refuse("is not aligned to 4 bytes");
  if (ld < cols)
    refuse("has rows of " + std::to_string(cols) + ", but " + std::to_string(ld) + " from one to the next");
  if (stride < 0) refuse("has a negative stride");
  return {reinterpret_cast<float*>(address), ld, stride};
}

Matrix matrix(const char* name, const std::optional<Place>& place, int64_t cols) {
  return place ? matrix(name, *place, cols) : Matrix();
}

void launch(const TensorProduct& p, Precision precision, bool backward, int replicas, uintptr_t stream) {
  if (p.m < 0 || p.n < 0 || p.k < 0) throw std::invalid_argument("m, n and k must not be negative");
  if (replicas < 0 || replicas > kMostReplicas) {
    throw std::invalid_argument("replicas must be 0 to 65535, got " + std::to_string(replicas));
  }
  if (p.m == 0 || p.n == 0 || replicas == 0) return;
  // Each factor is far below 2^32 where the product is, so that the check itself cannot overflow.
  constexpr int64_t most = std::numeric_limits<int32_t>::max();
  if (p.m > most || p.n > most || tensor_blocks(p.m, p.n) > most) {
    throw std::invalid_argument("m and n are too large for one grid of blocks");
  }
  LaunchError error;
  {
    py::gil_scoped_release release;
    error = launch_tensor_product(p, precision, backward, replicas, reinterpret_cast<void*>(stream));
  }
  if (error.name) throw std::runtime_error(error.name + (std::string(": ") + error.meaning));
}

void forward(const std::string& precision, int activation, const Shape& shape, int replicas, const Place& x,
             const Place& w, const Place& b, const std::optional<Place>& z, const Place& y, uintptr_t stream) {
  const auto [m, n, k] = shape;
  const TensorProduct p = {m,
                           n,
                           k,
                           matrix("x", x, k),
                           matrix("w", w, n),
                           matrix("b", b, n),
                           matrix("z", z, n),
                           matrix("y", y, n),
                           activation_of(activation)};
  launch(p, precision_of(precision), false, replicas, stream);
}

void backward(const std::string& precision, int activation, const Shape& shape, int replicas, const Place& dy,
              const Place& w, const std::optional<Place>& saved, const Place& dx, uintptr_t stream) {
  const auto [m, n, k] = shape;
  const TensorProduct p = {m,
                           n,
                           k,
                           matrix("dy", dy, k),
                           matrix("w", w, k),
                           matrix("saved", saved, n),
                           Matrix(),
                           matrix("dx", dx, n),
                           activation_of(activation)};
  launch(p, precision_of(precision), true, replicas, stream);
}

}  // namespace
}  // namespace cap

PYBIND11_MODULE(_cuda, module) {
  using py::arg;
  module.def("forward", &cap::forward, arg("precision"), arg("activation"), arg("shape"), arg("replicas"), arg("x"),
             arg("w"), arg("b"), arg("z").none(true), arg("y"), arg("stream"),
             "Enqueue y (m, n) = activation(z), z (m, n) = x (m, k) w (k, n) + b (1, n) for every replica.");
  module.def("backward", &cap::backward, arg("precision"), arg("activation"), arg("shape"), arg("replicas"), arg("dy"),
             arg("w"), arg("saved").none(true), arg("dx"), arg("stream"),
             "Enqueue dx (m, n) = dy (m, k) w' (k, n) times the activation's derivative at saved (m, n), w (n, k).");
}
