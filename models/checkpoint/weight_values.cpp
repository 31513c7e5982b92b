#include "models/checkpoint/weight_values.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/base/bfloat16.h"
#include "kernels/base/error.h"
#include "kernels/base/float16.h"

namespace stagecraft {
namespace {

float to_float(float value) { return value; }

/// Reads consecutive numbers of type Number into floats that are run.stride apart. The format does
/// not guarantee that data is aligned to its elements.
template <typename Number>
void read_run(const std::byte* data, const WeightRun& run, float* values) {
  const std::byte* from = data + run.in_file * static_cast<std::int64_t>(sizeof(Number));
  float* to = values + run.in_box;
  const auto read = [from](std::int64_t i) {
    Number number;
    std::memcpy(&number, from + i * static_cast<std::int64_t>(sizeof(Number)), sizeof(Number));
    return to_float(number);
  };
  if (run.stride == 1) {
    for (std::int64_t i = 0; i < run.count; ++i) {
      to[i] = read(i);
    }
  } else {
    for (std::int64_t i = 0; i < run.count; ++i) {
      to[i * run.stride] = read(i);
    }
  }
}

struct WeightType {
  std::string_view dtype;
  void (*read_run)(const std::byte* data, const WeightRun& run, float* values);
};
constexpr std::array kTypes{WeightType{"F32", read_run<float>},
                            WeightType{"F16", read_run<Float16>},
                            WeightType{"BF16", read_run<BFloat16>}};

}  // namespace

bool is_readable_weight(std::string_view dtype) {
  return std::ranges::find(kTypes, dtype, &WeightType::dtype) != kTypes.end();
}

void read_weight_part(const WeightPart& part, std::string_view dtype,
                      std::span<const std::byte> data, std::span<float> values) {
  const auto* type = std::ranges::find(kTypes, dtype, &WeightType::dtype);
  require(type != kTypes.end(), "read_weight_part", "{} is not a type of weights", dtype);
  for_each_run(part,
               [&](const WeightRun& run) { type->read_run(data.data(), run, values.data()); });
}

void gather_weight_part(const WeightPart& part, std::span<const float> values,
                        std::span<float> in_file_order) {
  WeightPart alone = part;
  alone.file = part.in_file.shape();
  alone.in_file = whole_box(alone.file);
  for_each_run(alone, [&](const WeightRun& run) {
    for (std::int64_t i = 0; i < run.count; ++i) {
      in_file_order[static_cast<std::size_t>(run.in_file + i)] =
          values[static_cast<std::size_t>(run.in_box + i * run.stride)];
    }
  });
}

}  // namespace stagecraft
