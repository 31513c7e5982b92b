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

/// Calls f(from, to, count) for runs of elements that follow each other in both tensors.
template <typename From, typename To, typename F>
void for_each_run(Stream& stream, const Tensor& from, const Tensor& to, F&& f) {
  if (from.contiguous() && to.contiguous()) {
    const From* source = from.data<From>();
    To* target = to.data<To>();
    for_each_range(stream, from.elements(), kRange, [&](std::int64_t begin, std::int64_t end) {
      f(source + begin, target + begin, end - begin);
    });
    return;
  }
  const MatrixView<From> source = from.matrix<From>();
  const MatrixView<To> target = to.matrix<To>();
  const std::int64_t columns = from.size(1);
  for_each_range(stream, from.size(0), rows_per_piece(columns),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = begin; row < end; ++row) {
                     f(source.row(row), target.row(row), columns);
                   }
                 });
}

/// Copies a matrix of which one side is a column range.
void copy_rows(Stream& stream, const Copy& args) {
  const std::int64_t size = size_of(args.from.dtype());
  const MatrixView<const char> from{static_cast<const char*>(args.from.first_element()),
                                    args.from.row_stride() * size};
  const MatrixView<char> to{static_cast<char*>(args.to.first_element()),
                            args.to.row_stride() * size};
  const auto bytes = static_cast<std::size_t>(args.from.size(1) * size);
  for_each_range(stream, args.from.size(0), rows_per_piece(args.from.size(1)),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = begin; row < end; ++row) {
                     std::memcpy(to.row(row), from.row(row), bytes);
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
  if (!args.from.contiguous() || !args.to.contiguous()) {
    copy_rows(stream, args);
    return;
  }
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
  if (narrows) {
    for_each_run<float, BFloat16>(stream, args.from, args.to,
                                  [](const float* from, BFloat16* to, std::int64_t count) {
                                    std::transform(from, from + count, to, to_bfloat16);
                                  });
  } else {
    for_each_run<BFloat16, float>(
        stream, args.from, args.to, [](const BFloat16* from, float* to, std::int64_t count) {
          std::transform(from, from + count, to, [](BFloat16 value) { return to_float(value); });
        });
  }
}

void fill_zero(Stream& stream, const FillZero& args) {
  auto* x = static_cast<char*>(args.x.raw());
  for_each_range(stream, args.x.bytes(), kRangeBytes, [&](std::int64_t begin, std::int64_t end) {
    std::memset(x + begin, 0, static_cast<std::size_t>(end - begin));
  });
}

}  // namespace stagecraft::cpu
