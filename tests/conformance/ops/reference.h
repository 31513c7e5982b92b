// Helpers of the conformance suites: tensors from and to float64 values, poison, errors relative to
// a float64 reference, finite differences.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/base/random.h"
#include "kernels/core/tensor.h"
#include "kernels/ops/host_copy.h"
#include "tests/conformance/devices.h"

namespace stagecraft::testing {

using Values = std::vector<double>;

/// Standard normal float32 numbers, as float64.
inline Values random_values(std::int64_t count, std::uint64_t seed) {
  std::vector<float> drawn(static_cast<std::size_t>(count));
  fill_normal({.key = random_key(seed, "conformance")}, 0, drawn.size(), 1.0F, drawn.data());
  return {drawn.begin(), drawn.end()};
}

template <typename T>
T element_of(double value) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    return to_bfloat16(static_cast<float>(value));
  } else {
    return static_cast<T>(value);
  }
}

template <typename T>
double value_of(T element) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    return to_float(element);
  } else {
    return element;
  }
}

/// The numbers as bfloat16 holds them: what an operation on it is given, and what the reference has
/// to be given too.
inline Values rounded_to(DType dtype, Values values) {
  if (dtype == DType::bfloat16) {
    for (double& value : values) {
      value = to_float(to_bfloat16(static_cast<float>(value)));
    }
  }
  return values;
}

/// To the device, as elements of type T.
template <typename T>
void store(Stream& stream, const Values& values, const Tensor& tensor) {
  std::vector<T> elements(values.size());
  std::transform(values.begin(), values.end(), elements.begin(), element_of<T>);
  copy_from_host(stream, std::span<const T>(elements), tensor);
}

/// From the device, once everything issued is done.
template <typename T>
Values load(Stream& stream, const Tensor& tensor) {
  std::vector<T> elements(static_cast<std::size_t>(tensor.elements()));
  copy_to_host(stream, tensor, std::span<T>(elements));
  Values values(elements.size());
  std::transform(elements.begin(), elements.end(), values.begin(), value_of<T>);
  return values;
}

inline Tensor tensor_of(Stream& stream, const Shape& shape, const Values& values,
                        DType dtype = DType::float32) {
  Tensor tensor(stream.memory(), shape, dtype, MemoryLabel::workspace);
  REQUIRE(static_cast<std::int64_t>(values.size()) == tensor.elements());
  if (dtype == DType::float64) {
    store<double>(stream, values, tensor);
  } else if (dtype == DType::int32) {
    store<std::int32_t>(stream, values, tensor);
  } else if (dtype == DType::bfloat16) {
    store<BFloat16>(stream, values, tensor);
  } else {
    store<float>(stream, values, tensor);
  }
  return tensor;
}

/// Every byte 0xFF, a NaN in each floating-point type: what an operation leaves out shows.
inline Tensor poisoned(Stream& stream, const Shape& shape, DType dtype = DType::float32) {
  Tensor tensor(stream.memory(), shape, dtype, MemoryLabel::workspace);
  const std::vector<std::byte> poison(static_cast<std::size_t>(tensor.bytes()), std::byte{0xFF});
  copy_from_host(stream, {poison, tensor});
  return tensor;
}

inline Values values_of(Stream& stream, const Tensor& tensor) {
  switch (tensor.dtype()) {
    case DType::float64:
      return load<double>(stream, tensor);
    case DType::int32:
      return load<std::int32_t>(stream, tensor);
    case DType::bfloat16:
      return load<BFloat16>(stream, tensor);
    case DType::float32:
      return load<float>(stream, tensor);
  }
  throw Error("values_of", "unknown dtype");
}

/// The largest |actual - expected| over the largest |expected|; infinite where a number is missing
/// or is no number.
inline double max_relative_error(const Values& actual, const Values& expected) {
  double error = actual.size() == expected.size() ? 0 : std::numeric_limits<double>::infinity();
  double scale = std::numeric_limits<double>::min();
  for (std::size_t i = 0; i < std::min(actual.size(), expected.size()); ++i) {
    const double difference = std::abs(actual[i] - expected[i]);
    error = std::isnan(difference) ? std::numeric_limits<double>::infinity()
                                   : std::max(error, difference);
    scale = std::max(scale, std::abs(expected[i]));
  }
  return error / scale;
}

/// The root of the mean square of actual - expected over that of expected; infinite likewise.
inline double rms_relative_error(const Values& actual, const Values& expected) {
  double error = actual.size() == expected.size() ? 0 : std::numeric_limits<double>::infinity();
  double scale = std::numeric_limits<double>::min();
  for (std::size_t i = 0; i < std::min(actual.size(), expected.size()); ++i) {
    error += (actual[i] - expected[i]) * (actual[i] - expected[i]);
    scale += expected[i] * expected[i];
  }
  return std::isnan(error) ? std::numeric_limits<double>::infinity() : std::sqrt(error / scale);
}

/// Of all the numbers' bits.
inline std::size_t hash_of(const Values& values) {
  return std::hash<std::string_view>()(
      {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(double)});
}

inline bool same_bits(const std::vector<Values>& a, const std::vector<Values>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Values& x, const Values& y) {
    return x.size() == y.size() &&
           (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(double)) == 0);
  });
}

/// What an operation wrote, in a fixed order.
using Compute = std::function<std::vector<Values>(Stream&)>;

/// `compute` on every stream of every device, twice: outputs within `tolerance` of `expected`, and
/// the same bits on all streams of a device.
inline void conform(const Compute& compute, const std::vector<Values>& expected, double tolerance) {
  for (DeviceUnderTest& device : devices_under_test()) {
    INFO("device " << device.name);
    const std::vector<Values> first = compute(*device.streams.front());
    REQUIRE(first.size() == expected.size());
    for (std::size_t i = 0; i < first.size(); ++i) {
      INFO("output " << i);
      CHECK(max_relative_error(first[i], expected[i]) <= tolerance);
    }
    for (const auto& stream : device.streams) {
      CHECK(same_bits(compute(*stream), first));
      CHECK(same_bits(compute(*stream), first));
    }
  }
}

/// `call` throws an Error whose text contains `text`, on every device.
inline void refuses(const std::function<void(Stream&)>& call, const std::string& text) {
  for (DeviceUnderTest& device : devices_under_test()) {
    Stream& stream = *device.streams.front();
    CHECK_THROWS_WITH(call(stream), Catch::Matchers::Contains(text));
    CHECK_THROWS_AS(call(stream), Error);
  }
}

/// d loss / d at, by central differences in float64.
inline Values numeric_gradient(const std::function<double(const Values&)>& loss, Values at) {
  constexpr double kStep = 1e-5;
  Values gradient(at.size());
  for (std::size_t i = 0; i < at.size(); ++i) {
    const double here = at[i];
    at[i] = here + kStep;
    const double above = loss(at);
    at[i] = here - kStep;
    gradient[i] = (above - loss(at)) / (2 * kStep);
    at[i] = here;
  }
  return gradient;
}

inline double dot(const Values& a, const Values& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += a[i] * b[i];
  }
  return sum;
}

inline Values sum_of(const Values& a, const Values& b) {
  Values sum(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum[i] = a[i] + b[i];
  }
  return sum;
}

}  // namespace stagecraft::testing
