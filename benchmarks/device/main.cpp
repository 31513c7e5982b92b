// Compares every operation of a device with its bound, measured in the same run: memory-bound
// operations with the copy of a large tensor, matrix products and attention with the best matrix
// product.
//   usage: bench_device [cuda | cpu] [rows = 32768 on cuda, 1024 on cpu]
//                       [all | attention | bfloat16] [hidden = 768] [heads = hidden / 64]
// "attention" measures only attention in float32, "bfloat16" only operations in bfloat16.
#include <fmt/core.h>

#include <string_view>

#include "benchmarks/device/tables.h"
#include "kernels/backends/make_stream.h"

namespace stagecraft::bench {
namespace {

struct Run {
  Device device;
  Sizes sizes;
  std::int64_t best_size;  // of the product whose rate is the bound
};

double print_best_product(Stream& stream, const Source& source, const Run& run,
                          std::string_view precision) {
  const double best = best_product(stream, source, run.best_size);
  fmt::print("\n{0}: a product of {1} x {1} x {1} runs at {2:.2f} TFLOP/s\n", precision,
             run.best_size, best);
  return best;
}

void measure_attention(const Run& run) {
  const auto stream = make_stream(run.device, {.threads = 2});
  const Source source(*stream, DType::float32);
  attention(*stream, source, run.sizes, print_best_product(*stream, source, run, "float32"));
}

void measure(const Run& run, DType dtype) {
  const auto stream = make_stream(run.device, {.threads = 2});
  const Source source(*stream, dtype);
  memory_bound(*stream, source, run.sizes);
  const double best = print_best_product(*stream, source, run, to_string(dtype));
  products(*stream, source, run.sizes, best);
  bits(*stream, source, run.sizes);
  attention(*stream, source, run.sizes, best);
}

void measure_tf32(const Run& run) {
  const auto stream = make_stream(run.device, {.tf32 = true});
  const Source source(*stream, DType::float32);
  products(*stream, source, run.sizes, print_best_product(*stream, source, run, "tf32"));
}

void measure(const Run& run, std::string_view only) {
  if (only == "attention") {
    measure_attention(run);
    return;
  }
  if (only == "all") {
    measure(run, DType::float32);
  }
  if (run.device.kind == DeviceKind::cuda) {
    if (only == "all") {
      measure_tf32(run);
    }
    measure(run, DType::bfloat16);
  }
}

std::int64_t number(int count, char** words, int index, std::int64_t otherwise) {
  return count > index ? std::atoll(words[index]) : otherwise;
}

}  // namespace
}  // namespace stagecraft::bench

int main(int count, char** words) {
  using namespace stagecraft;
  const bool on_cpu = count > 1 && std::string_view(words[1]) == "cpu";
  const std::int64_t rows = bench::number(count, words, 2, on_cpu ? 1024 : 32768);
  const std::int64_t hidden = bench::number(count, words, 4, 768);
  const std::int64_t heads = bench::number(count, words, 5, hidden / 64);
  const bench::Run run{.device = {on_cpu ? DeviceKind::cpu : DeviceKind::cuda, 0},
                       .sizes = {rows, hidden, heads},
                       .best_size = on_cpu ? rows / 4 : 8192};
  try {
    bench::measure(run, count > 3 ? words[3] : "all");
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
