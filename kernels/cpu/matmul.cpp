#include "kernels/cpu/matmul.h"

#include <dnnl.h>

#include <array>
#include <atomic>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"

namespace stagecraft::cpu {
namespace {

// A piece packs its rows of a once per piece of columns and its columns of b once per piece of
// rows, so that a product costs 1 + kPackRows / rows + kPackColumns / columns of its flops; handing
// out a piece costs as much as kPieceFlops. Fitted to GPT-2 124M's products on two cores.
constexpr double kPackRows = 12;
constexpr double kPackColumns = 20;
constexpr double kPieceFlops = 3e5;
constexpr double kOnePieceFlops = 4e6;  // below, waking a second thread costs more than it saves
constexpr std::array<std::int64_t, 7> kRowSizes = {64, 128, 256, 384, 512, 768, 1024};
constexpr std::array<std::int64_t, 5> kColumnSizes = {96, 192, 384, 768, 1536};
constexpr std::int64_t kGrain = 16;  // one vector register of float32

std::int64_t parts_of(std::int64_t size, std::int64_t part) { return (size + part - 1) / part; }

/// `size` in as many equal parts as parts of `wanted` would be.
std::int64_t even_part(std::int64_t size, std::int64_t wanted) {
  const std::int64_t part = parts_of(size, parts_of(size, wanted));
  return std::min(size, parts_of(part, kGrain) * kGrain);
}

/// How much longer `pieces` equal pieces take than a perfect division, weighed over 2 to 4 threads.
double imbalance(std::int64_t pieces) {
  const auto over = [&](std::int64_t threads) {
    return static_cast<double>(parts_of(pieces, threads) * threads) / static_cast<double>(pieces);
  };
  return 0.45 * over(2) + 0.1 * over(3) + 0.45 * over(4);
}

double relative_cost(std::int64_t m, std::int64_t n, std::int64_t k, const MatmulPieces& pieces) {
  const auto rows = static_cast<double>(pieces.rows);
  const auto columns = static_cast<double>(pieces.columns);
  const double flops = 2 * rows * columns * static_cast<double>(k);
  return imbalance(parts_of(m, pieces.rows) * parts_of(n, pieces.columns)) *
         (1 + kPackRows / rows + kPackColumns / columns + kPieceFlops / flops);
}

/// dnnl_sgemm divides its work, K included, over the threads of the calling thread's next parallel
/// region; this makes that one, also where the caller is the only thread.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

/// The operands as dnnl_sgemm takes them; row and column are where a piece of c begins.
struct Operands {
  explicit Operands(const Matmul& args)
      : a(args.a.data<float>()),
        b(args.b.data<float>()),
        c(args.c.data<float>()),
        bias(args.bias.empty() ? nullptr : args.bias.data<float>()),
        a_turned(args.transpose_a == Transpose::yes),
        b_turned(args.transpose_b == Transpose::yes),
        accumulate(args.accumulate),
        m(args.c.size(0)),
        n(args.c.size(1)),
        k(args.a.size(a_turned ? 0 : 1)) {}

  const float* a;
  const float* b;
  float* c;
  const float* bias;
  bool a_turned;
  bool b_turned;
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

/// Whether a piece's part of a is copied together first. Rows of a transposed a that lie a multiple
/// of 4096 bytes apart fall into the same few cache sets, which costs sgemm up to a fifth.
bool gathers(const Operands& on) {
  constexpr std::int64_t kBadStride = 1024;
  constexpr std::int64_t kWorthwhile = 128;  // columns that each copied element is used for
  return on.a_turned && on.m % kBadStride == 0 && on.n >= kWorthwhile;
}

std::int64_t gathered_stride(const MatmulPieces& pieces) { return pieces.rows + kGrain; }

void gather(const Operands& on, const Piece& piece, std::int64_t stride, float* to) {
  for (std::int64_t k = 0; k < on.k; ++k) {
    std::copy_n(on.a + k * on.m + piece.row, piece.rows, to + k * stride);
  }
}

/// Where op(a)'s rows of a piece begin, and the stride of a as it lies in memory.
struct LeftPart {
  const float* a;
  std::int64_t stride;
};

LeftPart left_part(const Operands& on, const Piece& piece) {
  return on.a_turned ? LeftPart{on.a + piece.row, on.m} : LeftPart{on.a + piece.row * on.k, on.k};
}

dnnl_status_t multiply(const Operands& on, const Piece& piece, const LeftPart& left) {
  const OneThread one_thread;
  const std::int64_t b_stride = on.b_turned ? on.k : on.n;
  const float* b = on.b + piece.column * (on.b_turned ? b_stride : 1);
  float* c = on.c + piece.row * on.n + piece.column;
  return dnnl_sgemm(on.a_turned ? 'T' : 'N', on.b_turned ? 'T' : 'N', piece.rows, piece.columns,
                    on.k, 1.0F, left.a, left.stride, b, b_stride, on.accumulate ? 1.0F : 0.0F, c,
                    on.n);
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

dnnl_status_t compute(const Operands& on, const Piece& piece, const LeftPart& left) {
  dnnl_status_t status = dnnl_success;
  if (on.k > 0) {
    status = multiply(on, piece, left);
  } else if (!on.accumulate) {
    clear(on, piece);
  }
  if (on.bias != nullptr) {
    add_bias(on, piece);
  }
  return status;
}

}  // namespace

MatmulPieces matmul_pieces(std::int64_t m, std::int64_t n, std::int64_t k) {
  const MatmulPieces whole = {std::max<std::int64_t>(m, 1), std::max<std::int64_t>(n, 1)};
  const double flops = 2 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  if (flops < kOnePieceFlops) {
    return whole;
  }
  MatmulPieces best = whole;
  double best_cost = relative_cost(m, n, k, whole);
  for (const std::int64_t rows : kRowSizes) {
    for (const std::int64_t columns : kColumnSizes) {
      const MatmulPieces pieces = {even_part(m, rows), even_part(n, columns)};
      const double cost = relative_cost(m, n, k, pieces);
      if (cost < best_cost) {
        best = pieces;
        best_cost = cost;
      }
    }
  }
  return best;
}

void matmul(Stream& stream, const Matmul& args) {
  const Operands on(args);
  if (on.m == 0 || on.n == 0) {
    return;
  }
  const MatmulPieces pieces = matmul_pieces(on.m, on.n, on.k);
  const std::int64_t row_parts = parts_of(on.m, pieces.rows);
  const std::int64_t count = row_parts * parts_of(on.n, pieces.columns);
  const std::int64_t stride = gathers(on) ? gathered_stride(pieces) : 0;
  const auto floats = static_cast<std::int64_t>(sizeof(float));
  const ThreadScratch scratch(stream, count, stride * on.k * floats);
  std::atomic<int> failure{dnnl_success};
  for_each_piece(stream, count, [&](std::int64_t number) {
    const Piece piece = piece_of(on, pieces, number % row_parts, number / row_parts);
    LeftPart left = left_part(on, piece);
    if (stride > 0) {
      auto* gathered = scratch.mine().take<float>(stride * on.k);
      gather(on, piece, stride, gathered);
      left = {gathered, stride};
    }
    if (const dnnl_status_t status = compute(on, piece, left); status != dnnl_success) {
      failure = status;
    }
  });
  require(failure == dnnl_success, "matmul", "oneDNN gave up with status {} on {} x {} x {}",
          failure.load(), on.m, on.n, on.k);
}

}  // namespace stagecraft::cpu
