// Parameters cut, joined and transposed in weight files.
#include "models/checkpoint/weight_layout.h"

#include <catch2/catch.hpp>
#include <numeric>
#include <set>

#include "kernels/base/error.h"
#include "models/checkpoint/weight_values.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;

ParameterSpec parameter_of(const Shape& shape) {
  return {.name = "p", .shape = shape, .shard = {}, .initial = {}};
}

WeightNames names_of(std::vector<FileTensor> tensors) {
  return {.prefix = "", .tensors = std::move(tensors), .copies = {}, .ignored = {}};
}

std::string refusal_of(const std::vector<FileTensor>& tensors, const Shape& shape) {
  try {
    weight_tensors(names_of(tensors), parameter_of(shape));
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

/// A parameter of this program as it lies in files.
struct Case {
  Shape shape;
  std::vector<FileTensor> tensors;
};
const Case kCases[] = {
    {{7}, {}},
    {{3, 5, 4}, {}},
    {{30, 47}, {{"all", "p", {}, true}}},
    {{12}, {{"a", "p", {0, 5}}, {"b", "p", {5, 12}}}},
    {{2, 3, 12}, {{"a", "p", {0, 5}}, {"b", "p", {5, 12}}}},
    {{100, 90}, {{"c", "p", {70, 90}, true}, {"a", "p", {0, 40}, true}, {"b", "p", {40, 70}}}},
};

/// The number of an element of the whole parameter, at an index of one of its file's tensors.
std::int64_t number_at(const Case& one, const WeightTensor& tensor, std::int64_t element) {
  const std::int64_t width = one.shape.back();
  if (tensor.transposed) {
    const std::int64_t row = element / tensor.shape[1];
    return element % tensor.shape[1] * width + tensor.part.begin.back() + row;
  }
  return element / tensor.shape.back() * width + tensor.part.begin.back() +
         element % tensor.shape.back();
}

/// Data of a file's tensor: each element is its number in the parameter.
std::vector<float> data_of(const Case& one, const WeightTensor& tensor) {
  std::vector<float> data(static_cast<std::size_t>(elements_of(tensor.shape)));
  for (std::size_t i = 0; i < data.size(); ++i) {
    data[i] = static_cast<float>(number_at(one, tensor, static_cast<std::int64_t>(i)));
  }
  return data;
}

/// The numbers of a box's elements.
std::vector<float> numbers_of(const Case& one, const Box& box) {
  std::vector<float> numbers;
  for (const ElementRun& run : runs_of(box, one.shape)) {
    for (std::int64_t i = 0; i < run.count; ++i) {
      numbers.push_back(static_cast<float>(run.begin + i));
    }
  }
  return numbers;
}

/// Boxes of many sizes and places.
std::vector<Box> boxes_of(const Shape& shape) {
  std::vector<Box> boxes{whole_box(shape)};
  for (int i = 0; i < 40; ++i) {
    Box box = whole_box(shape);
    for (std::size_t d = 0; d < shape.size(); ++d) {
      box.begin[d] = (i * 7 + static_cast<int>(d) * 3) % shape[d];
      box.end[d] = box.begin[d] + 1 + (i * 11) % (shape[d] - box.begin[d]);
    }
    boxes.push_back(box);
  }
  return boxes;
}

TEST_CASE("every box of a parameter can be read from the tensors that hold it") {
  for (const Case& one : kCases) {
    const std::vector<WeightTensor> tensors =
        weight_tensors(names_of(one.tensors), parameter_of(one.shape));
    for (const Box& box : boxes_of(one.shape)) {
      std::vector<float> values(static_cast<std::size_t>(elements_of(box.shape())), -1);
      for (const WeightTensor& tensor : tensors) {
        if (const auto part = shared_part(tensor, box)) {
          const std::vector<float> data = data_of(one, tensor);
          read_weight_part(*part, "F32", std::as_bytes(std::span(data)), values);
        }
      }
      CAPTURE(one.shape, box.begin, box.end);
      CHECK((values == numbers_of(one, box)));
    }
  }
}

TEST_CASE("a box's elements are gathered in the order of each file's tensor") {
  for (const Case& one : kCases) {
    for (const WeightTensor& tensor :
         weight_tensors(names_of(one.tensors), parameter_of(one.shape))) {
      const Box whole = whole_box(one.shape);
      const auto part = shared_part(tensor, whole);
      REQUIRE(part);
      std::vector<float> gathered(static_cast<std::size_t>(elements_of(tensor.shape)));
      gather_weight_part(*part, numbers_of(one, whole), gathered);
      CAPTURE(one.shape, tensor.name);
      CHECK((gathered == data_of(one, tensor)));
    }
  }
}

TEST_CASE("a parameter that no name mentions is a tensor of its own name") {
  const WeightNames names = names_of({{"other", "q"}});
  const std::vector<WeightTensor> tensors = weight_tensors(names, parameter_of({3, 4}));
  REQUIRE(tensors.size() == 1);
  CHECK(tensors[0].name == "p");
  CHECK((tensors[0].shape == Shape{3, 4}));
}

TEST_CASE("names that do not hold each element once are refused") {
  CHECK(refusal_of({{"a", "p", {0, 2}}, {"b", "p", {2, 4}}}, {3, 4}) == "no error");
  CHECK(refusal_of({{"a", "p", {0, 1}}, {"b", "p", {2, 4}}}, {3, 4}) ==
        "[WeightNames] the tensors of p [3, 4] have to hold each of its columns once, but they "
        "hold 0 .. 1 (a), 2 .. 4 (b)");
  CHECK_THAT(refusal_of({{"a", "p", {0, 3}}, {"b", "p", {2, 4}}}, {3, 4}),
             Contains("0 .. 3 (a), 2 .. 4 (b)"));
  CHECK_THAT(refusal_of({{"a", "p", {0, 3}}}, {3, 4}), Contains("but they hold 0 .. 3 (a)"));
  CHECK_THAT(refusal_of({{"a", "p", {0, 5}}}, {3, 4}),
             Contains("p [3, 4] has no columns 0 .. 5, which tensor a is to hold"));
  CHECK_THAT(refusal_of({{"a", "p", {2, 2}}}, {3, 4}), Contains("has no columns 2 .. 2"));
  CHECK_THAT(refusal_of({{"a", "p", {}, true}}, {3, 4, 5}),
             Contains("tensor a cannot be transposed: p is [3, 4, 5]"));
}

}  // namespace
}  // namespace stagecraft
