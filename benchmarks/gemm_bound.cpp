#include "benchmarks/gemm_bound.h"

#include <omp.h>

#include <algorithm>
#include <thread>

#include "benchmarks/gemm_products.h"
#include "kernels/backends/make_stream.h"

namespace stagecraft::bench {
namespace {

double median_seconds(const std::function<void()>& call) {
  constexpr int kRounds = 7;
  std::vector<double> seconds;
  call();  // one-time initialisation
  for (int round = 0; round < kRounds; ++round) {
    seconds.push_back(seconds_of(call));
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds[kRounds / 2];
}

double measure_bound(const ModelConfig& model, std::int64_t samples, int threads) {
  omp_set_num_threads(threads);
  double total = 0;
  for (const Product& product : step_products(model, samples * model.sequence)) {
    const auto stream = make_stream({DeviceKind::cpu, 0}, {.threads = threads});
    const Matmul args = operands(*stream, product);
    const double seconds = std::min(median_seconds(free_sgemm(product, args)),
                                    median_seconds(primitive(product, args)));
    total += static_cast<double>(product.times) * seconds;
  }
  return total;
}

}  // namespace

double gemm_bound_seconds(const ModelConfig& model, std::int64_t samples, int threads) {
  // In a separate thread, which ends its OpenMP threads too. Otherwise they would count with those
  // of the step (libgomp stops spinning when there are more threads than cores).
  double total = 0;
  std::thread([&] { total = measure_bound(model, samples, threads); }).join();
  return total;
}

}  // namespace stagecraft::bench
