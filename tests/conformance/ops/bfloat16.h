// Every operation in bfloat16 beside the same operation in float32 on the CPU, which other files
// hold against float64: on the same numbers, all of which bfloat16 can hold, so that they differ by
// the rounding of what is stored and of nothing else.
#pragma once

#include "kernels/backends/make_stream.h"
#include "kernels/ops/checks.h"
#include "tests/conformance/ops/reference.h"

namespace stagecraft::testing {

/// What an operation writes when its activations hold `dtype`.
using InEither = std::function<std::vector<Values>(Stream&, DType dtype)>;

/// Half of the distance between neighbours, relative to the largest number of an output.
inline constexpr double kStored = 1.0 / 256;
/// What is rounded on the way, or made of factors that were.
inline constexpr double kTwice = 3.0 / 256;
/// Outputs in float32: only the sums' own rounding.
inline constexpr double kSummed = 2e-5;

/// `tolerances` by output.
inline void conform_in_bfloat16(const InEither& compute, const std::vector<double>& tolerances) {
  const auto cpu = make_stream({}, {.threads = 2});
  const std::vector<Values> expected = compute(*cpu, DType::float32);
  REQUIRE(expected.size() == tolerances.size());
  for (DeviceUnderTest& device : devices_under_test()) {
    INFO("device " << device.name);
    if (!without_bfloat16(*device.streams.front()).empty()) {
      continue;
    }
    const std::vector<Values> first = compute(*device.streams.front(), DType::bfloat16);
    REQUIRE(first.size() == expected.size());
    for (std::size_t i = 0; i < first.size(); ++i) {
      INFO("output " << i);
      CHECK(max_relative_error(first[i], expected[i]) <= tolerances[i]);
    }
    for (const auto& stream : device.streams) {
      CHECK(same_bits(compute(*stream, DType::bfloat16), first));
    }
  }
}

inline Values drawn(const Shape& shape, std::uint64_t seed) {
  return rounded_to(DType::bfloat16, random_values(elements_of(shape), seed));
}

inline Tensor activation(Stream& stream, const Shape& shape, std::uint64_t seed, DType dtype) {
  return tensor_of(stream, shape, drawn(shape, seed), dtype);
}

inline Tensor number(Stream& stream, const Shape& shape, std::uint64_t seed) {
  return activation(stream, shape, seed, DType::float32);
}

}  // namespace stagecraft::testing
