// What Python gives, as what the loop of program.hpp takes: calls, arrays of replicas, sources. Everything is checked
// here, and throws std::invalid_argument.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <optional>
#include <stdexcept>

#include "../common/trace.h"
#include "path.hpp"
#include "program.hpp"

namespace cap {

namespace py = pybind11;

// (arena, offset, rows, cols); rows -1 is the batch axis.
using PyOperand = std::optional<std::array<int64_t, 4>>;

template <class E>
E position(const std::string& name, std::initializer_list<const char*> names, const char* what) {
  int i = 0;
  for (const char* candidate : names) {
    if (name == candidate) return E(i);
    ++i;
  }
  throw std::invalid_argument(std::string("unknown ") + what + " '" + name + "'");
}

inline Attributes attributes_from(const py::dict& given) {
  Attributes a;
  for (auto [key, value] : given) {
    const auto name = py::cast<std::string>(key);
    if (name == "activation") {
      a.activation = position<Activation>(py::cast<std::string>(value),
                                          {"identity", "sigmoid", "tanh", "relu", "leaky_relu", "gelu"}, "activation");
    } else if (name == "update") {
      a.update = py::cast<bool>(value);
    } else if (name == "shuffled") {
      a.shuffled = py::cast<bool>(value);
    } else if (name == "inputs") {
      a.inputs = py::cast<int64_t>(value);
    } else if (name == "k") {
      a.k = py::cast<int64_t>(value);
    } else if (name == "slot") {
      a.slot = py::cast<int64_t>(value);
    } else if (name == "every") {
      a.every = py::cast<int64_t>(value);
    } else if (name == "momentum") {
      a.momentum = py::cast<double>(value);
    } else if (name == "weight_decay") {
      a.weight_decay = py::cast<double>(value);
    } else if (name == "decoupled") {
      a.decoupled = py::cast<bool>(value);
    } else if (name == "beta1") {
      a.beta1 = py::cast<double>(value);
    } else if (name == "beta2") {
      a.beta2 = py::cast<double>(value);
    } else if (name == "epsilon") {
      a.epsilon = py::cast<double>(value);
    } else {
      throw std::invalid_argument("unknown attribute '" + name + "'");
    }
  }
  return a;
}

inline std::vector<Step> steps_from(const py::list& calls) {
  std::vector<Step> steps;
  for (auto item : calls) {
    const auto [op, operands, attributes] = py::cast<std::tuple<std::string, std::vector<PyOperand>, py::dict>>(item);
    if (operands.size() > kMaxOperands) throw std::invalid_argument("op '" + op + "' has too many operands");
    Step step{{}, &find_kernel(op)};
    step.call.attributes = attributes_from(attributes);
    for (size_t i = 0; i < operands.size(); ++i) {
      if (!operands[i]) continue;
      const auto& o = *operands[i];
      step.call.operands[i] = {int(o[0]), o[1], o[2], o[3]};
    }
    steps.push_back(step);
  }
  return steps;
}

inline Factors factors_from(const std::string& name) {
  const auto factors = position<Factors>(name, {"stored", "bf16", "bf16_emulated"}, "kind of factors");
  if (factors == Factors::bf16 && why_no_bf16()) throw std::invalid_argument(why_no_bf16());
  return factors;
}

template <class A>
void require(const A& array, std::initializer_list<py::ssize_t> shape, const char* name) {
  bool fits = array.ndim() == py::ssize_t(shape.size()) && (array.flags() & py::array::c_style);
  int axis = 0;
  for (py::ssize_t n : shape) fits = fits && array.shape(axis++) == n;
  if (!fits) throw std::invalid_argument(std::string(name) + " has the wrong shape or is not C-contiguous");
}

// An array of just this type: what is written to must not be a converted copy.
template <class A>
A exactly(py::handle array, std::initializer_list<py::ssize_t> shape, const char* name) {
  if (!py::isinstance<A>(array)) throw std::invalid_argument(std::string(name) + " has the wrong type");
  auto typed = py::reinterpret_borrow<A>(array);
  require(typed, shape, name);
  return typed;
}

// given: the features, labels, scale and row_scale of capacity.engine.executor.Source, and its window as (first,
// samples, seed, number) or None; the arrays outlive the call.
inline Source source_from(const py::tuple& given) {
  const py::array features = given[0];
  Source source;
  source.stored = position<Stored>(py::cast<std::string>(py::str(py::object(features.dtype()))),
                                   {"uint8", "int16", "float32", "int32", "float16"}, "stored type");
  if (features.ndim() != 2) throw std::invalid_argument("features must have two axes");
  require(features, {features.shape(0), features.shape(1)}, "features");
  source.features = features.data();
  source.labels = exactly<py::array_t<int32_t>>(given[1], {features.shape(0)}, "labels").data();
  source.samples = features.shape(0);
  source.inputs = features.shape(1);
  source.scale = py::cast<double>(given[2]);
  const py::array factors = given[3];
  const py::ssize_t count = factors.size() == 0 ? 0 : features.shape(0);
  const float* row_scale = exactly<py::array_t<float>>(factors, {count}, "row_scale").data();
  if (count > 0) source.row_scale = row_scale;
  if (!given[4].is_none()) {
    const auto [first, samples, seed, number] = py::cast<std::tuple<int64_t, int64_t, uint64_t, uint32_t>>(given[4]);
    if (samples < 1 || first < 0) throw std::invalid_argument("a window must lie in an epoch that has rows");
    source.window = {first, samples, seed, number};
  }
  return source;
}

// given: the arrays of capacity.engine.executor.Replicas, in their order. They outlive the call, and so the result.
template <class T>
Replicas<T> replicas_from(const Sizes& sizes, const py::tuple& given) {
  using Reals = py::array_t<T>;
  using Doubles = py::array_t<double>;
  const py::array statistics = given[2], trace = given[9];
  const py::ssize_t R = py::array(given[3]).size();
  if (statistics.ndim() != 2) throw std::invalid_argument("statistics must have two axes");
  if (trace.ndim() != 4) throw std::invalid_argument("trace must have four axes");
  return {exactly<Reals>(given[0], {R, sizes.arenas[kParameters]}, "parameters").mutable_data(),
          exactly<Reals>(given[1], {R, sizes.arenas[kOptimizer]}, "optimizer").mutable_data(),
          exactly<Reals>(given[8], {R, sizes.arenas[kAnchor]}, "anchor").mutable_data(),
          exactly<Doubles>(statistics, {R, statistics.shape(1)}, "statistics").mutable_data(),
          statistics.shape(1),
          exactly<Doubles>(trace, {R, trace.shape(1), trace.shape(2), kTraceSums}, "trace").mutable_data(),
          trace.shape(1) * trace.shape(2) * kTraceSums,
          trace.shape(2) * kTraceSums,
          exactly<py::array_t<uint64_t>>(given[3], {R}, "seeds").data(),
          exactly<py::array_t<double>>(given[4], {R}, "lrs").data(),
          exactly<py::array_t<int64_t>>(given[5], {R}, "samples").data(),
          exactly<py::array_t<uint64_t>>(given[6], {R}, "subsets").data(),
          exactly<py::array_t<bool>>(given[7], {R}, "active").data(),
          R};
}

}  // namespace cap
