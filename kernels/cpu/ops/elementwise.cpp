#include "kernels/ops/elementwise.h"

#include <cstring>

#include "kernels/cpu/ops/dropout.h"
#include "kernels/cpu/primitives/element_runs.h"
#include "kernels/cpu/primitives/row_sums.h"
#include "kernels/cpu/runtime/parallel.h"
#include "kernels/ops/dispatch.h"

namespace stagecraft::cpu {
namespace {

constexpr std::int64_t kRangeBytes = 1 << 18;  // of what only moves

template <typename T>
void add_elements(Stream& stream, const Add& args) {
  for_each_run(
      stream,
      [](std::int64_t count, const T* a, const T* b, T* c) {
#pragma omp simd
        for (std::int64_t i = 0; i < count; ++i) {
          c[i] = a[i] + b[i];
        }
      },
      Elements<const T>(args.a), Elements<const T>(args.b), Elements<T>(args.c));
}

/// The rows of a matrix, counted in bytes.
MatrixView<char> byte_rows(const Tensor& matrix) {
  return {static_cast<char*>(matrix.first_element()),
          matrix.row_stride() * size_of(matrix.dtype())};
}

/// Calls f(row, bytes) for the rows of a matrix.
template <typename F>
void for_each_row(Stream& stream, const Tensor& matrix, F&& f) {
  const auto bytes = static_cast<std::size_t>(matrix.size(1) * size_of(matrix.dtype()));
  for_each_range(stream, matrix.size(0), rows_per_piece(matrix.size(1)),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = begin; row < end; ++row) {
                     f(row, bytes);
                   }
                 });
}

/// Copies a matrix of which one side is a column range.
void copy_rows(Stream& stream, const Copy& args) {
  for_each_row(
      stream, args.from,
      [from = byte_rows(args.from), to = byte_rows(args.to)](std::int64_t row, std::size_t bytes) {
        std::memcpy(to.row(row), from.row(row), bytes);
      });
}

const float* data_or_null(const Tensor& tensor) {
  return tensor.empty() ? nullptr : tensor.data<float>();
}

MatrixView<float> matrix_or_null(const Tensor& tensor) {
  return tensor.empty() ? MatrixView<float>() : tensor.matrix<float>();
}

}  // namespace

void bias_dropout_residual(Stream& stream, const BiasDropoutResidual& args) {
  dropout_rows(stream, {.rows = args.x.size(0),
                        .columns = args.x.size(1),
                        .x = args.x.matrix<float>(),
                        .added = data_or_null(args.bias),
                        .residual = matrix_or_null(args.residual),
                        .y = args.y.matrix<float>(),
                        .dropout = args.dropout});
}

void dropout_backward(Stream& stream, const DropoutBackward& args) {
  dropout_rows(stream, {.rows = args.dy.size(0),
                        .columns = args.dy.size(1),
                        .x = args.dy.matrix<float>(),
                        .y = args.dx.matrix<float>(),
                        .dropout = args.dropout});
}

void bias_gradient(Stream& stream, const BiasGradient& args) {
  const MatrixView<float> dy = args.dy.matrix<float>();
  const std::int64_t n = args.dy.size(1);
  const auto add_rows = [&](std::int64_t r, std::int64_t end, float* sums) {
    for (; r < end; ++r) {
      const float* row = dy.row(r);
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
  for_each_run(
      stream,
      [](std::int64_t count, const float* a, const float* b, float* c) {
#pragma omp simd
        for (std::int64_t i = 0; i < count; ++i) {
          c[i] = a[i] > b[i] ? a[i] : b[i];
        }
      },
      Elements<const float>(args.a), Elements<const float>(args.b), Elements<float>(args.c));
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
    for_each_run(
        stream,
        [](std::int64_t count, const float* from, BFloat16* to) {
          std::transform(from, from + count, to, to_bfloat16);
        },
        Elements<const float>(args.from), Elements<BFloat16>(args.to));
  } else {
    for_each_run(
        stream,
        [](std::int64_t count, const BFloat16* from, float* to) {
          std::transform(from, from + count, to, [](BFloat16 value) { return to_float(value); });
        },
        Elements<const BFloat16>(args.from), Elements<float>(args.to));
  }
}

void fill_zero(Stream& stream, const FillZero& args) {
  if (!args.x.contiguous()) {
    for_each_row(stream, args.x, [x = byte_rows(args.x)](std::int64_t row, std::size_t bytes) {
      std::memset(x.row(row), 0, bytes);
    });
    return;
  }
  auto* x = static_cast<char*>(args.x.raw());
  for_each_range(stream, args.x.bytes(), kRangeBytes, [&](std::int64_t begin, std::int64_t end) {
    std::memset(x + begin, 0, static_cast<std::size_t>(end - begin));
  });
}

}  // namespace stagecraft::cpu
