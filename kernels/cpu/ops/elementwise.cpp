#include "kernels/ops/elementwise.h"

#include <cstring>

#include "kernels/cpu/ops/dropout.h"
#include "kernels/cpu/primitives/row_sums.h"
#include "kernels/cpu/runtime/parallel.h"
#include "kernels/ops/dispatch.h"

namespace stagecraft::cpu {
namespace {

constexpr std::int64_t kRange = 16384;         // elements
constexpr std::int64_t kRangeBytes = 1 << 18;  // of what only moves

template <typename T>
void add_elements(Stream& stream, const Add& args) {
  const auto* a = args.a.data<T>();
  const auto* b = args.b.data<T>();
  auto* c = args.c.data<T>();
  for_each_range(stream, args.a.elements(), kRange, [&](std::int64_t begin, std::int64_t end) {
#pragma omp simd
    for (std::int64_t i = begin; i < end; ++i) {
      c[i] = a[i] + b[i];
    }
  });
}

const float* data_or_null(const Tensor& tensor) {
  return tensor.empty() ? nullptr : tensor.data<float>();
}

}  // namespace

void bias_dropout_residual(Stream& stream, const BiasDropoutResidual& args) {
  dropout_rows(stream, {.rows = args.x.size(0),
                        .columns = args.x.size(1),
                        .x = args.x.data<float>(),
                        .added = data_or_null(args.bias),
                        .residual = data_or_null(args.residual),
                        .y = args.y.data<float>(),
                        .dropout = args.dropout});
}

void dropout_backward(Stream& stream, const DropoutBackward& args) {
  dropout_rows(stream, {.rows = args.dy.size(0),
                        .columns = args.dy.size(1),
                        .x = args.dy.data<float>(),
                        .y = args.dx.data<float>(),
                        .dropout = args.dropout});
}

void bias_gradient(Stream& stream, const BiasGradient& args) {
  const auto* dy = args.dy.data<float>();
  const std::int64_t n = args.dy.size(1);
  const auto add_rows = [&](std::int64_t r, std::int64_t end, float* sums) {
    for (; r < end; ++r) {
      const float* row = dy + r * n;
#pragma omp simd
      for (std::int64_t i = 0; i < n; ++i) {
        sums[i] += row[i];
      }
    }
  };
  const Tensor partial = sum_row_blocks(stream, args.dy.size(0), n, add_rows);
  reduce_row_blocks(stream, partial, 0, n, args.dbias.data<float>(), args.accumulate);
}

void add(Stream& stream, const Add& args) {
  if (args.a.dtype() == DType::float64) {
    add_elements<double>(stream, args);
  } else {
    add_elements<float>(stream, args);
  }
}

void maximum(Stream& stream, const Maximum& args) {
  const auto* a = args.a.data<float>();
  const auto* b = args.b.data<float>();
  auto* c = args.c.data<float>();
  for_each_range(stream, args.a.elements(), kRange, [&](std::int64_t begin, std::int64_t end) {
#pragma omp simd
    for (std::int64_t i = begin; i < end; ++i) {
      c[i] = a[i] > b[i] ? a[i] : b[i];
    }
  });
}

void copy(Stream& stream, const Copy& args) {
  const auto* from = static_cast<const char*>(args.from.raw());
  auto* to = static_cast<char*>(args.to.raw());
  for_each_range(stream, args.from.bytes(), kRangeBytes, [&](std::int64_t begin, std::int64_t end) {
    std::memcpy(to + begin, from + begin, static_cast<std::size_t>(end - begin));
  });
}

void convert(Stream& stream, const Convert& args) {
  const bool narrows = args.to.dtype() == DType::bfloat16;
  const bool widens = args.from.dtype() == DType::bfloat16;
  if (narrows == widens) {
    dispatch(stream, Copy{args.from, args.to});
    return;
  }
  for_each_range(stream, args.from.elements(), kRange, [&](std::int64_t begin, std::int64_t end) {
    if (narrows) {
      const auto* from = args.from.data<float>();
      std::transform(from + begin, from + end, args.to.data<BFloat16>() + begin, to_bfloat16);
    } else {
      const auto* from = args.from.data<BFloat16>();
      std::transform(from + begin, from + end, args.to.data<float>() + begin,
                     [](BFloat16 value) { return to_float(value); });
    }
  });
}

void fill_zero(Stream& stream, const FillZero& args) {
  auto* x = static_cast<char*>(args.x.raw());
  for_each_range(stream, args.x.bytes(), kRangeBytes, [&](std::int64_t begin, std::int64_t end) {
    std::memset(x + begin, 0, static_cast<std::size_t>(end - begin));
  });
}

}  // namespace stagecraft::cpu
