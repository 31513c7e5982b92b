#include "kernels/cpu/reduce.h"

#include <numeric>

#include "kernels/cpu/lane_sum.h"
#include "kernels/cpu/parallel.h"

namespace stagecraft::cpu {

void sum_of_squares(Stream& stream, const SumOfSquares& args) {
  constexpr std::int64_t kBlock = 65536;  // elements
  const std::int64_t blocks = (args.x.elements() + kBlock - 1) / kBlock;
  const Tensor partial(stream.memory(), {blocks}, DType::float64, MemoryLabel::workspace);
  auto* sums = partial.data<double>();
  const auto* x = args.x.data<float>();
  for_each_range(stream, args.x.elements(), kBlock, [&](std::int64_t begin, std::int64_t end) {
    sums[begin / kBlock] = lane_sum<double>(end - begin, [&](std::int64_t i) {
      const auto value = static_cast<double>(x[begin + i]);
      return value * value;
    });
  });
  *args.out.data<double>() = std::accumulate(sums, sums + blocks, 0.0);
}

}  // namespace stagecraft::cpu
