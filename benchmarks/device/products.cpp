#include <fmt/core.h>

#include "benchmarks/device/tables.h"

namespace stagecraft::bench {
namespace {

/// The shape of y = x w.
struct Linear {
  std::int64_t rows;
  std::int64_t in;
  std::int64_t out;
};

struct Rates {
  double forward;
  double input;
  double weight;
};

double teraflops(Stream& stream, const Matmul& args) {
  return 1e-12 * flops_of(args) / best_seconds(stream, [&] { matmul(stream, args); });
}

Rates rates_of(Stream& stream, const Source& source, const Linear& s) {
  const Tensor x = source.tensor({s.rows, s.in});
  const Tensor w = source.tensor({s.in, s.out});
  const Tensor y = source.tensor({s.rows, s.out});
  const Tensor bias = source.tensor({s.out});
  const Tensor dw = source.number({s.in, s.out});
  const double forward = teraflops(stream, {.a = x, .b = w, .c = y, .bias = bias});
  const double input = teraflops(stream, {.a = y, .b = {w, Transpose::yes}, .c = x});
  const double weight =
      teraflops(stream, {.a = {x, Transpose::yes}, .b = y, .c = dw, .accumulate = true});
  return {forward, input, weight};
}

/// The MLP's products with fused GELU, or its fused gradient.
void gelu_products(Stream& stream, const Source& source, const Sizes& sizes, double best) {
  const std::int64_t rows = sizes.rows;
  const std::int64_t hidden = sizes.hidden;
  const std::int64_t wide = sizes.wide();
  const Tensor x = source.tensor({rows, hidden});
  const Tensor w = source.tensor({hidden, wide});
  const Tensor w_down = source.tensor({wide, hidden});
  const Tensor bias = source.tensor({wide});
  const Tensor up = source.tensor({rows, wide});
  const Tensor y = source.tensor({rows, wide});
  const double forward =
      teraflops(stream, {.a = x, .b = w, .c = y, .bias = bias, .pre_activation = up});
  const double backward =
      teraflops(stream, {.a = x, .b = {w_down, Transpose::yes}, .c = y, .activation_grad_of = up});
  fmt::print("{:26} {:9.2f} {:9.2f} {:>9} {:8.2f} {:7.2f}\n",
             fmt::format("{}, {}, {}, GELU", rows, hidden, wide), forward, backward, "",
             forward / best, backward / best);
}

}  // namespace

double best_product(Stream& stream, const Source& source, std::int64_t size) {
  const Tensor a = source.tensor({size, size});
  const Tensor b = source.tensor({size, size});
  const Tensor c = source.tensor({size, size});
  return teraflops(stream, {.a = a, .b = b, .c = c});
}

void products(Stream& stream, const Source& source, const Sizes& sizes, double best) {
  const std::int64_t rows = sizes.rows;
  const std::int64_t hidden = sizes.hidden;
  const std::int64_t wide = sizes.wide();
  fmt::print("\n{:26} {:>9} {:>9} {:>9} {:>24}\n", "products (rows, in, out)", "forward", "d input",
             "d weight", "TFLOP/s, ratios to best");
  for (const Linear& s :
       {Linear{rows, hidden, 3 * hidden}, Linear{rows, hidden, hidden}, Linear{rows, hidden, wide},
        Linear{rows, wide, hidden}, Linear{rows / 4, hidden, kVocabulary}}) {
    const Rates r = rates_of(stream, source, s);
    fmt::print("{:26} {:9.2f} {:9.2f} {:9.2f} {:8.2f} {:7.2f} {:7.2f}\n",
               fmt::format("{}, {}, {}", s.rows, s.in, s.out), r.forward, r.input, r.weight,
               r.forward / best, r.input / best, r.weight / best);
  }
  gelu_products(stream, source, sizes, best);
}

/// The first rows of y = x w should have the same bits for every number of rows: then results do
/// not depend on how many rows a data rank has.
void bits(Stream& stream, const Source& source, const Sizes& sizes) {
  constexpr std::int64_t kFew = 1024;
  const Tensor x = source.tensor({sizes.rows, sizes.hidden});
  const Tensor w = source.tensor({sizes.hidden, sizes.wide()});
  const auto first_rows = [&](std::int64_t rows) {
    const Tensor y = source.tensor({rows, sizes.wide()});
    matmul(stream, {.a = x.rows(0, rows), .b = w, .c = y});
    const Tensor few = y.rows(0, kFew);
    std::vector<std::byte> bytes(static_cast<std::size_t>(few.bytes()));
    copy_to_host(stream, {few, bytes});
    return bytes;
  };
  const std::vector<std::byte> expected = first_rows(kFew);
  fmt::print("\nbits of the first {} rows of (rows, {}, {}) as those of {} rows:", kFew,
             sizes.hidden, sizes.wide(), kFew);
  for (std::int64_t rows = 2 * kFew; rows <= sizes.rows; rows *= 2) {
    fmt::print(" {} {},", rows, first_rows(rows) == expected ? "same" : "DIFFERENT");
  }
  fmt::print("\n");
}

}  // namespace stagecraft::bench
