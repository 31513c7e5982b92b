// Matrix products over oneDNN's sgemm; of bfloat16, over its matmul primitive.
#include "kernels/ops/matmul.h"

#include <dnnl.h>

#include <atomic>
#include <optional>
#include <vector>

#include "kernels/cpu/ops/bfloat16_product.h"
#include "kernels/cpu/ops/matmul_pieces.h"
#include "kernels/cpu/ops/mixed_precision.h"
#include "kernels/cpu/runtime/one_thread.h"
#include "kernels/cpu/runtime/parallel.h"
#include "kernels/cpu/runtime/scratch.h"
#include "kernels/ops/dispatch.h"
#include "kernels/ops/elementwise.h"

namespace stagecraft::cpu {
namespace {

/// The operands as dnnl_sgemm takes them; row and column are where a piece of c begins.
struct Operands {
  explicit Operands(const Matmul& args)
      : a(args.a.tensor.data<float>()),
        b(args.b.tensor.data<float>()),
        c(args.c.data<float>()),
        bias(args.bias.empty() ? nullptr : args.bias.data<float>()),
        a_transposed(args.a.transposed()),
        b_transposed(args.b.transposed()),
        accumulate(args.accumulate),
        m(args.c.size(0)),
        n(args.c.size(1)),
        k(args.a.columns()) {}

  const float* a;
  const float* b;
  float* c;
  const float* bias;
  bool a_transposed;
  bool b_transposed;
  bool accumulate;
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;
};

struct Piece {
  std::int64_t row;
  std::int64_t column;
  std::int64_t rows;
  std::int64_t columns;
};

/// Which operands of a piece are copied together before they are multiplied, and how far apart the
/// rows of the copies lie; 0: used as it lies in memory.
struct Panels {
  std::int64_t a_stride = 0;
  std::int64_t b_stride = 0;
  std::int64_t depth = 0;  // of k, at a time
  std::int64_t bytes() const {
    ScratchLayout layout;
    layout.take<float>(depth * a_stride);
    layout.take<float>(depth * b_stride);
    return layout.bytes();
  }
};

constexpr std::int64_t kWorthwhile = 128;  // uses of an element, for which it may be copied
constexpr std::int64_t kPanelDepth = 1024;
constexpr std::int64_t kPanelGap = 16;  // one cache line of float32

/// Without AVX-512, sgemm reads small operands (its rule, in which the pieces are its whole
/// product) as they lie. Operands that it walks along k across rows then cost up to half of the
/// speed, above all where rows lie a multiple of 4096 bytes apart and share a few cache sets.
bool reads_in_place(const MatmulPieces& pieces) {
  static const bool kHasWideVectors = dnnl_get_effective_cpu_isa() >= dnnl_cpu_isa_avx512_core;
  return !kHasWideVectors &&
         1.0 / static_cast<double>(pieces.rows) + 1.0 / static_cast<double>(pieces.columns) >=
             0.0038;
}

/// With AVX-512 only the worst case is worth a copy.
bool shares_cache_sets(std::int64_t row_floats) { return row_floats % 1024 == 0; }

Panels panels_of(const Operands& on, const MatmulPieces& pieces) {
  const bool in_place = reads_in_place(pieces);
  const bool copy_a =
      on.a_transposed && on.n >= kWorthwhile && (in_place || shares_cache_sets(on.m));
  const bool copy_b = !on.b_transposed && pieces.rows >= kWorthwhile && in_place;
  // Rows of the copies lie an odd number of cache lines apart.
  return {.a_stride = copy_a ? pieces.rows + kPanelGap : 0,
          .b_stride = copy_b ? pieces.columns + kPanelGap : 0,
          .depth = copy_a || copy_b ? std::min(on.k, kPanelDepth) : on.k};
}

/// One factor of a product: where it begins and the stride of its rows in memory.
struct Factor {
  const float* data;
  std::int64_t stride;
};

/// A thread's copy of a part of one factor. The next piece often has the same rows of a or columns
/// of b; then the copy is still there.
class Panel {
 public:
  Panel(float* memory, std::int64_t stride) : memory_(memory), stride_(stride) {}

  /// `depth` rows of `width` elements, copied to lie `stride` apart; `from` itself where it is used
  /// as it lies.
  Factor hold(const Factor& from, std::int64_t depth, std::int64_t width) {
    if (stride_ == 0) {
      return from;
    }
    if (held_ != from.data) {
      for (std::int64_t k = 0; k < depth; ++k) {
        std::copy_n(from.data + k * from.stride, width, memory_ + k * stride_);
      }
      held_ = from.data;
    }
    return {memory_, stride_};
  }

 private:
  float* memory_;
  std::int64_t stride_;
  const float* held_ = nullptr;
};

/// What one thread works with.
struct Bench {
  Panel a;
  Panel b;
};

/// op(a)'s rows of the piece from element `k` of k on.
Factor left_factor(const Operands& on, const Piece& piece, std::int64_t k) {
  return on.a_transposed ? Factor{on.a + k * on.m + piece.row, on.m}
                         : Factor{on.a + piece.row * on.k + k, on.k};
}

/// op(b)'s columns of the piece from element `k` of k on.
Factor right_factor(const Operands& on, const Piece& piece, std::int64_t k) {
  return on.b_transposed ? Factor{on.b + piece.column * on.k + k, on.k}
                         : Factor{on.b + k * on.n + piece.column, on.n};
}

/// Adds the part of k from `k` on, `depth` long; the first part of a product that does not
/// accumulate replaces what was there.
dnnl_status_t multiply_part(const Operands& on, const Piece& piece, std::int64_t k,
                            std::int64_t depth, Bench& bench) {
  const Factor a = bench.a.hold(left_factor(on, piece, k), depth, piece.rows);
  const Factor b = bench.b.hold(right_factor(on, piece, k), depth, piece.columns);
  const bool adds = on.accumulate || k > 0;
  return dnnl_sgemm(on.a_transposed ? 'T' : 'N', on.b_transposed ? 'T' : 'N', piece.rows,
                    piece.columns, depth, 1.0F, a.data, a.stride, b.data, b.stride,
                    adds ? 1.0F : 0.0F, on.c + piece.row * on.n + piece.column, on.n);
}

dnnl_status_t multiply(const Operands& on, const Piece& piece, std::int64_t depth, Bench& bench) {
  const OneThread one_thread;
  dnnl_status_t status = dnnl_success;
  for (std::int64_t k = 0; k < on.k && status == dnnl_success; k += depth) {
    status = multiply_part(on, piece, k, std::min(depth, on.k - k), bench);
  }
  return status;
}

Bench bench_of(const Panels& panels, ScratchLayout memory) {
  auto* a = memory.take<float>(panels.depth * panels.a_stride);
  auto* b = memory.take<float>(panels.depth * panels.b_stride);
  return {.a = Panel(a, panels.a_stride), .b = Panel(b, panels.b_stride)};
}

void clear(const Operands& on, const Piece& piece) {
  for (std::int64_t row = piece.row; row < piece.row + piece.rows; ++row) {
    std::fill_n(on.c + row * on.n + piece.column, piece.columns, 0.0F);
  }
}

void add_bias(const Operands& on, const Piece& piece) {
  const float* bias = on.bias + piece.column;
  for (std::int64_t row = piece.row; row < piece.row + piece.rows; ++row) {
    float* c = on.c + row * on.n + piece.column;
#pragma omp simd
    for (std::int64_t column = 0; column < piece.columns; ++column) {
      c[column] += bias[column];
    }
  }
}

Piece piece_of(const Operands& on, const MatmulPieces& pieces, std::int64_t row_part,
               std::int64_t column_part) {
  const std::int64_t row = row_part * pieces.rows;
  const std::int64_t column = column_part * pieces.columns;
  return {row, column, std::min(pieces.rows, on.m - row), std::min(pieces.columns, on.n - column)};
}

dnnl_status_t compute(const Operands& on, const Piece& piece, std::int64_t depth, Bench& bench) {
  dnnl_status_t status = dnnl_success;
  if (on.k > 0) {
    status = multiply(on, piece, depth, bench);
  } else if (!on.accumulate) {
    clear(on, piece);
  }
  if (on.bias != nullptr) {
    add_bias(on, piece);
  }
  return status;
}

void multiply_pieces(Stream& stream, const Matmul& args) {
  const Operands on(args);
  if (on.m == 0 || on.n == 0) {
    return;
  }
  const MatmulPieces pieces = matmul_pieces(on.m, on.n, on.k);
  const std::int64_t row_parts = parts_of(on.m, pieces.rows);
  const std::int64_t count = row_parts * parts_of(on.n, pieces.columns);
  const Panels panels = panels_of(on, pieces);
  const ThreadScratch scratch(stream, count, panels.bytes());
  std::vector<std::optional<Bench>> benches(static_cast<std::size_t>(scratch.threads()));
  std::atomic<int> failure{dnnl_success};
  for_each_piece(stream, count, [&](std::int64_t number) {
    const Piece piece = piece_of(on, pieces, number % row_parts, number / row_parts);
    std::optional<Bench>& bench = benches[static_cast<std::size_t>(scratch.thread())];
    if (!bench) {
      bench = bench_of(panels, scratch.mine());
    }
    if (const dnnl_status_t status = compute(on, piece, panels.depth, *bench);
        status != dnnl_success) {
      failure = status;
    }
  });
  require(failure == dnnl_success, "matmul", "oneDNN gave up with status {} on {} x {} x {}",
          failure.load(), on.m, on.n, on.k);
}

void multiply_with_bias(Stream& stream, const Matmul& args) {
  if (args.a.tensor.dtype() == DType::float32) {
    multiply_pieces(stream, args);
    return;
  }
  multiply_bfloat16(stream, args);
  if (!args.bias.empty()) {
    dispatch(stream, BiasDropoutResidual{.x = args.c, .bias = args.bias, .y = args.c});
  }
}

/// All tensors are contiguous.
void multiply_with_activation(Stream& stream, const Matmul& args) {
  Matmul product = args;
  product.c = args.pre_activation.empty() ? args.c : args.pre_activation;
  multiply_with_bias(stream, product);
  if (!args.pre_activation.empty()) {
    dispatch(stream,
             ActivationForward{.x = args.pre_activation, .y = args.c, .kind = args.activation});
  } else if (!args.activation_grad_of.empty()) {
    dispatch(
        stream,
        ActivationBackward{
            .dy = args.c, .x = args.activation_grad_of, .dx = args.c, .kind = args.activation});
  }
}

bool has_column_range(const Matmul& args) {
  bool found = false;
  for_each_tensor(args, [&](const Tensor& tensor, Access /*access*/) {
    found = found || !tensor.contiguous();
  });
  return found;
}

}  // namespace

/// oneDNN chooses its kernels by the strides of rows, too. Column ranges are multiplied as
/// contiguous copies, so that they have the bits of those.
void matmul(Stream& stream, const Matmul& args) {
  if (!has_column_range(args)) {
    multiply_with_activation(stream, args);
    return;
  }
  Matmul copies = args;
  StandIns stand_ins(stream);
  for_each_tensor(copies, [&](Tensor& tensor, Access access) {
    if (!tensor.contiguous()) {
      stand_ins.replace(tensor, access, tensor.dtype());
    }
  });
  multiply_with_activation(stream, copies);
  stand_ins.store();
}

void matmul_batch(Stream& stream, const MatmulBatch& args) {
  for (std::int64_t number = 0; number < args.count; ++number) {
    dispatch(stream, product_of(args, number));
  }
}

}  // namespace stagecraft::cpu
