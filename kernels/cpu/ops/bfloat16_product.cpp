// Cut as products of float32 are: each piece by one thread over all of K.
#include "kernels/cpu/ops/bfloat16_product.h"

#include <dnnl.hpp>

#include <atomic>

#include "kernels/cpu/ops/matmul_pieces.h"
#include "kernels/cpu/runtime/one_thread.h"
#include "kernels/cpu/runtime/parallel.h"
#include "kernels/ops/dispatch.h"
#include "kernels/ops/elementwise.h"

namespace stagecraft::cpu {
namespace {

using Description = dnnl::memory::desc;
using DataType = dnnl::memory::data_type;

DataType native(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return DataType::f32;
    case DType::bfloat16:
      return DataType::bf16;
    case DType::float64:
    case DType::int32:
      break;
  }
  throw Error("matmul", fmt::format("no product is of {}", to_string(dtype)));
}

/// A matrix of bfloat16 or float32 as it lies: `row` and `column` elements between neighbours.
struct Matrix {
  char* first;
  DType dtype;
  std::int64_t row;
  std::int64_t column;

  explicit Matrix(const MatmulOperand& operand)
      : first(static_cast<char*>(operand.tensor.raw())),
        dtype(operand.tensor.dtype()),
        row(operand.transposed() ? 1 : operand.tensor.size(1)),
        column(operand.transposed() ? operand.tensor.size(1) : 1) {}

  Description description(std::int64_t rows, std::int64_t columns) const {
    return {{rows, columns}, native(dtype), {row, column}};
  }
  void* at(std::int64_t r, std::int64_t c) const {
    return first + (r * row + c * column) * size_of(dtype);
  }
};

struct Product {
  Matrix a;
  Matrix b;
  Matrix c;
  std::int64_t k;
  bool accumulate;
};

/// oneDNN keeps the primitives of shapes that it has seen.
void multiply_piece(const dnnl::engine& engine, const Product& on, std::int64_t row,
                    std::int64_t column, const MatmulPieces& size) {
  const OneThread one_thread;
  const Description a = on.a.description(size.rows, on.k);
  const Description b = on.b.description(on.k, size.columns);
  const Description c = on.c.description(size.rows, size.columns);
  dnnl::primitive_attr attributes;
  if (on.accumulate) {
    dnnl::post_ops sum;
    sum.append_sum(1.0F);
    attributes.set_post_ops(sum);
  }
  const dnnl::matmul product(
      dnnl::matmul::primitive_desc(dnnl::matmul::desc(a, b, c), attributes, engine));
  dnnl::stream stream(engine);
  product.execute(stream, {{DNNL_ARG_SRC, dnnl::memory(a, engine, on.a.at(row, 0))},
                           {DNNL_ARG_WEIGHTS, dnnl::memory(b, engine, on.b.at(0, column))},
                           {DNNL_ARG_DST, dnnl::memory(c, engine, on.c.at(row, column))}});
  stream.wait();
}

}  // namespace

std::string_view without_bfloat16() {
  return __builtin_cpu_supports("avx512bf16") != 0
             ? std::string_view()
             : "this processor has no AVX-512 with bfloat16 (avx512_bf16)";
}

void multiply_bfloat16(Stream& stream, const Matmul& args) {
  const std::int64_t m = args.c.size(0);
  const std::int64_t n = args.c.size(1);
  const Product on = {.a = Matrix(args.a),
                      .b = Matrix(args.b),
                      .c = Matrix(args.c),
                      .k = args.a.columns(),
                      .accumulate = args.accumulate};
  if (m == 0 || n == 0) {
    return;
  }
  if (on.k == 0) {
    if (!args.accumulate) {
      dispatch(stream, FillZero{args.c});
    }
    return;
  }
  const MatmulPieces pieces = matmul_pieces(m, n, on.k);
  const std::int64_t row_parts = parts_of(m, pieces.rows);
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  std::atomic<int> failure{dnnl_success};
  for_each_piece(stream, row_parts * parts_of(n, pieces.columns), [&](std::int64_t number) {
    const std::int64_t row = number % row_parts * pieces.rows;
    const std::int64_t column = number / row_parts * pieces.columns;
    try {
      multiply_piece(engine, on, row, column,
                     {std::min(pieces.rows, m - row), std::min(pieces.columns, n - column)});
    } catch (const dnnl::error& error) {
      failure = error.status;
    }
  });
  require(failure == dnnl_success, "matmul",
          "oneDNN gave up with status {} on {} x {} x {} of bfloat16", failure.load(), m, n, on.k);
}

}  // namespace stagecraft::cpu
