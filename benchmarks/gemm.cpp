// Compares our matrix products with oneDNN's own threading, on the products of GPT-2 124M with
// 1024 rows (4 sequences of 256): op matmul in fixed pieces, dnnl_sgemm, which may divide K over
// its threads, and the matmul primitive. The three run in turn, and the best round of each counts.
//   usage: bench_gemm [threads = 2] [rounds = 10]
#include <fmt/core.h>
#include <omp.h>

#include <array>
#include <cstdlib>
#include <functional>
#include <limits>
#include <string_view>

#include "benchmarks/gemm_products.h"
#include "benchmarks/gpt2_124m.h"
#include "kernels/backends/make_stream.h"

namespace stagecraft::bench {
namespace {

constexpr std::int64_t kRows = 1024;

/// Best seconds of op matmul, sgemm with free threads, and the primitive.
std::array<double, 3> measured(Stream& stream, const Product& p, int rounds) {
  const Matmul args = operands(stream, p);
  const std::array<std::function<void()>, 3> ways = {[&] { matmul(stream, args); },
                                                     free_sgemm(p, args), primitive(p, args)};
  std::array<double, 3> best;
  best.fill(std::numeric_limits<double>::infinity());
  for (int round = 0; round <= rounds; ++round) {
    for (std::size_t way = 0; way < ways.size(); ++way) {
      const double seconds = seconds_of(ways[way]);
      best[way] = round == 0 ? best[way] : std::min(best[way], seconds);
    }
  }
  return best;
}

void print_row(std::string_view name, double flops, const std::array<double, 3>& seconds) {
  fmt::print("{:22} {:8.1f} {:8.1f} {:10.1f} {:16.2f}\n", name, flops / seconds[0] * 1e-9,
             flops / seconds[1] * 1e-9, flops / seconds[2] * 1e-9,
             std::min(seconds[1], seconds[2]) / seconds[0]);
}

void compare(int threads, int rounds) {
  omp_set_num_threads(threads);
  fmt::print("{} threads, GFLOP/s\n{:22} {:>8} {:>8} {:>10} {:>16}\n", threads, "product", "ours",
             "sgemm", "primitive", "ours / faster");
  std::array<double, 3> step{};
  double step_flops = 0;
  for (const Product& p : step_products(gpt2_124m(), kRows)) {
    const auto stream = make_stream({DeviceKind::cpu, 0}, {.threads = threads});
    const std::array<double, 3> seconds = measured(*stream, p, rounds);
    print_row(p.name, p.flops(), seconds);
    step_flops += static_cast<double>(p.times) * p.flops();
    for (std::size_t way = 0; way < seconds.size(); ++way) {
      step[way] += static_cast<double>(p.times) * seconds[way];
    }
  }
  print_row("all of a step", step_flops, step);
}

}  // namespace
}  // namespace stagecraft::bench

int main(int argc, char** argv) {
  stagecraft::bench::compare(argc > 1 ? std::atoi(argv[1]) : 2, argc > 2 ? std::atoi(argv[2]) : 10);
  return 0;
}
