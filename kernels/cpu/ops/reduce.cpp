#include "kernels/ops/reduce.h"

#include <numeric>

#include "kernels/cpu/primitives/lane_sum.h"
#include "kernels/cpu/runtime/parallel.h"

namespace stagecraft::cpu {
namespace {

double sum_of_squares(Stream& stream, const Tensor& tensor) {
  constexpr std::int64_t kBlock = 65536;  // elements
  const std::int64_t blocks = (tensor.elements() + kBlock - 1) / kBlock;
  const Tensor partial(stream.memory(), {blocks}, DType::float64, MemoryLabel::workspace);
  auto* sums = partial.data<double>();
  const auto* x = tensor.data<float>();
  for_each_range(stream, tensor.elements(), kBlock, [&](std::int64_t begin, std::int64_t end) {
    sums[begin / kBlock] = lane_sum<double>(end - begin, [&](std::int64_t i) {
      const auto value = static_cast<double>(x[begin + i]);
      return value * value;
    });
  });
  return std::accumulate(sums, sums + blocks, 0.0);
}

}  // namespace

void sums_of_squares(Stream& stream, const SumsOfSquares& args) {
  auto* out = args.out.data<double>();
  for (const Tensor& x : args.x) {
    *out++ = sum_of_squares(stream, x);
  }
}

}  // namespace stagecraft::cpu
