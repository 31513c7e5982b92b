// Products of column ranges, and batches of products, against products of tensors that lie on their
// own, which matmul.cpp holds against float64.
#include "kernels/backends/make_stream.h"
#include "kernels/ops/checks.h"
#include "kernels/ops/matmul.h"
#include "tests/conformance/ops/column_ranges.h"

namespace stagecraft::testing {
namespace {

enum class Fused { nothing, sum, bias, gelu, slope };

struct Case {
  std::int64_t m, n, k;
  Transpose a = Transpose::no;
  Transpose b = Transpose::no;
  Fused fused = Fused::nothing;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Case& size : {Case{1, 7, 3}, Case{5, 1, 9}, Case{17, 33, 65}, Case{64, 96, 128},
                           Case{130, 264, 1100}, Case{3, 256, 512}}) {
    for (const Transpose a : {Transpose::no, Transpose::yes}) {
      for (const Transpose b : {Transpose::no, Transpose::yes}) {
        for (const Fused fused :
             {Fused::nothing, Fused::sum, Fused::bias, Fused::gelu, Fused::slope}) {
          all.push_back({size.m, size.n, size.k, a, b, fused});
        }
      }
    }
  }
  return all;
}

Values drawn(const Shape& shape, std::uint64_t seed, DType dtype) {
  return rounded_to(dtype, random_values(elements_of(shape), seed));
}

/// All that a product writes, with every matrix lying in one way.
std::vector<Values> computed(Stream& stream, const Case& on, Layout layout, DType dtype) {
  const auto matrix = [&](const Shape& shape, std::uint64_t seed) {
    return LaidMatrix(stream, shape, drawn(shape, seed, dtype), layout, dtype);
  };
  const Shape shape = {on.m, on.n};
  const LaidMatrix a = matrix(on.a == Transpose::yes ? Shape{on.k, on.m} : Shape{on.m, on.k}, 1);
  const LaidMatrix b = matrix(on.b == Transpose::yes ? Shape{on.n, on.k} : Shape{on.k, on.n}, 2);
  const bool adds = on.fused == Fused::sum;
  const LaidMatrix c = adds ? matrix(shape, 3) : LaidMatrix(stream, shape, layout, dtype);
  Matmul args = {.a = {a.tensor(), on.a}, .b = {b.tensor(), on.b}, .c = c.tensor()};
  args.accumulate = adds;
  if (on.fused == Fused::bias || on.fused == Fused::gelu) {
    args.bias = LaidMatrix(stream, {1, on.n}, drawn({on.n}, 4, dtype),
                           layout == Layout::contiguous || layout == Layout::aligned_columns
                               ? Layout::contiguous
                               : Layout::contiguous_unaligned,
                           dtype)
                    .tensor()
                    .view({on.n});
  }
  const LaidMatrix pre = LaidMatrix(stream, shape, layout, dtype);
  if (on.fused == Fused::gelu) {
    args.pre_activation = pre.tensor();
  }
  const LaidMatrix at = matrix(shape, 5);
  if (on.fused == Fused::slope) {
    args.activation_grad_of = at.tensor();
  }
  matmul(stream, args);
  std::vector<Values> written = {c.values(stream)};
  if (on.fused == Fused::gelu) {
    written.push_back(pre.values(stream));
  }
  return written;
}

std::vector<DType> dtypes_of(Stream& stream) {
  return without_bfloat16(stream).empty() ? std::vector{DType::float32, DType::bfloat16}
                                          : std::vector{DType::float32};
}

constexpr std::int64_t kCount = 4;

/// A batch whose matrices are still to be drawn.
struct Batch {
  Shape a, b, c;
  Transpose transpose_a = Transpose::no;
  Transpose transpose_b = Transpose::no;
  BatchPart part_a, part_b, part_c;
  Fused fused;
};

/// The products of linear layers whose weight lies in kCount shards, one behind the other. Sharded
/// by columns (of `wide` outputs each): forward, gradient of the input, of the weight; then by
/// rows.
std::vector<Batch> batches(std::int64_t rows, std::int64_t narrow, std::int64_t wide) {
  constexpr Transpose kNo = Transpose::no;
  constexpr Transpose kYes = Transpose::yes;
  constexpr BatchPart kAll = BatchPart::all;
  constexpr BatchPart kRows = BatchPart::rows;
  constexpr BatchPart kColumns = BatchPart::columns;
  const Shape whole = {rows, narrow};
  const Shape joined = {rows, kCount * wide};
  const Shape sums = {kCount * rows, narrow};
  const Shape by_columns = {kCount * narrow, wide};
  const Shape by_rows = {kCount * wide, narrow};
  return {{whole, by_columns, joined, kNo, kNo, kAll, kRows, kColumns, Fused::bias},
          {whole, by_columns, joined, kNo, kNo, kAll, kRows, kColumns, Fused::gelu},
          {joined, by_columns, sums, kNo, kYes, kColumns, kRows, kRows, Fused::nothing},
          {whole, joined, by_columns, kYes, kNo, kAll, kColumns, kRows, Fused::sum},
          {joined, by_rows, sums, kNo, kNo, kColumns, kRows, kRows, Fused::nothing},
          {whole, by_rows, joined, kNo, kYes, kAll, kRows, kColumns, Fused::slope},
          {joined, whole, by_rows, kYes, kNo, kColumns, kAll, kRows, Fused::nothing}};
}

/// Rows, and the two sizes of batches(). A GPU chooses its algorithm for the last by the clock.
std::vector<std::array<std::int64_t, 3>> batch_sizes(const DeviceUnderTest& device) {
  std::vector<std::array<std::int64_t, 3>> sizes = {{17, 33, 5}, {64, 96, 32}, {256, 128, 64}};
  if (device.name != "cpu") {
    sizes.push_back({2048, 1024, 1024});
  }
  return sizes;
}

/// With new results, of the same operands at every call.
MatmulBatch drawn_batch(Stream& stream, const Batch& on, DType dtype) {
  const auto matrix = [&](const Shape& shape, std::uint64_t seed) {
    return tensor_of(stream, shape, drawn(shape, seed, dtype), dtype);
  };
  MatmulBatch batch = {
      .joined = {.a = {matrix(on.a, 1), on.transpose_a},
                 .b = {matrix(on.b, 2), on.transpose_b},
                 .c = on.fused == Fused::sum ? matrix(on.c, 3) : poisoned(stream, on.c, dtype)},
      .count = kCount,
      .a = on.part_a,
      .b = on.part_b,
      .c = on.part_c};
  batch.joined.accumulate = on.fused == Fused::sum;
  if (on.fused == Fused::bias || on.fused == Fused::gelu) {
    batch.joined.bias = matrix({on.c[1]}, 4);
  }
  if (on.fused == Fused::gelu) {
    batch.joined.pre_activation = poisoned(stream, on.c, dtype);
  } else if (on.fused == Fused::slope) {
    batch.joined.activation_grad_of = matrix(on.c, 5);
  }
  return batch;
}

std::vector<Values> results_of(Stream& stream, const MatmulBatch& batch) {
  std::vector<Values> results = {values_of(stream, batch.joined.c)};
  if (!batch.joined.pre_activation.empty()) {
    results.push_back(values_of(stream, batch.joined.pre_activation));
  }
  return results;
}

std::vector<Values> at_once(Stream& stream, const Batch& on, DType dtype) {
  const MatmulBatch batch = drawn_batch(stream, on, dtype);
  matmul_batch(stream, batch);
  return results_of(stream, batch);
}

std::vector<Values> one_by_one(Stream& stream, const Batch& on, DType dtype) {
  const MatmulBatch batch = drawn_batch(stream, on, dtype);
  for (std::int64_t number = 0; number < kCount; ++number) {
    matmul(stream, product_of(batch, number));
  }
  return results_of(stream, batch);
}

}  // namespace

TEST_CASE("products of column ranges have the bits of products of copies that are aligned alike") {
  for (DeviceUnderTest& device : devices_under_test()) {
    INFO("device " << device.name);
    for (const auto& stream : device.streams) {
      for (const DType dtype : dtypes_of(*stream)) {
        for (const Case& on : cases()) {
          CAPTURE(to_string(dtype), on.m, on.n, on.k, on.a, on.b, static_cast<int>(on.fused));
          const auto with = [&](Layout layout) { return computed(*stream, on, layout, dtype); };
          CHECK(same_bits(with(Layout::aligned_columns), with(Layout::contiguous)));
          CHECK(same_bits(with(Layout::unaligned_columns), with(Layout::contiguous_unaligned)));
        }
      }
    }
  }
}

TEST_CASE("on the CPU products of column ranges have the bits of products of copies") {
  const auto stream = make_stream({}, {.threads = 2});
  for (const Case& on : cases()) {
    CAPTURE(on.m, on.n, on.k, on.a, on.b, static_cast<int>(on.fused));
    CHECK(same_bits(computed(*stream, on, Layout::unaligned_columns, DType::float32),
                    computed(*stream, on, Layout::contiguous, DType::float32)));
  }
}

TEST_CASE("a matrix multiplied into columns beside its own") {
  // y = x w, with x and y column ranges of one tensor.
  const Values before = random_values(3 * 8, 1);
  const Values w = random_values(4 * 4, 2);
  Values expected = before;
  for (std::int64_t row = 0; row < 3; ++row) {
    for (std::int64_t column = 0; column < 4; ++column) {
      double sum = 0;
      for (std::int64_t k = 0; k < 4; ++k) {
        sum += before[row * 8 + k] * w[k * 4 + column];
      }
      expected[row * 8 + 4 + column] = sum;
    }
  }
  const auto beside = [&](Stream& stream) {
    const Tensor both = tensor_of(stream, {3, 8}, before);
    matmul(stream,
           {.a = both.columns(0, 4), .b = tensor_of(stream, {4, 4}, w), .c = both.columns(4, 8)});
    return std::vector<Values>{values_of(stream, both)};
  };
  conform(beside, {expected}, 1e-6);
}

TEST_CASE("the products of a batch have the bits that each has alone") {
  for (DeviceUnderTest& device : devices_under_test()) {
    INFO("device " << device.name);
    for (const auto& stream : device.streams) {
      for (const DType dtype : dtypes_of(*stream)) {
        for (const auto& [rows, narrow, wide] : batch_sizes(device)) {
          for (const Batch& on : batches(rows, narrow, wide)) {
            CAPTURE(to_string(dtype), to_string(on.a), to_string(on.b), to_string(on.c));
            // The first call of a shape may choose how later ones are computed.
            const std::vector<Values> first = at_once(*stream, on, dtype);
            const std::vector<Values> alone = one_by_one(*stream, on, dtype);
            CHECK(same_bits(first, alone));
            CHECK(same_bits(at_once(*stream, on, dtype), alone));
          }
        }
      }
    }
  }
}

TEST_CASE("a batch takes its parts in order") {
  // Two products [1, 2] [2, 1], written side by side.
  const auto side_by_side = [](Stream& stream) {
    const Tensor c = poisoned(stream, {1, 2});
    matmul_batch(stream, {.joined = {.a = tensor_of(stream, {1, 2}, {1, 10}),
                                     .b = tensor_of(stream, {4, 1}, {1, 2, 3, 4}),
                                     .c = c,
                                     .bias = tensor_of(stream, {2}, {100, 200})},
                          .count = 2,
                          .b = BatchPart::rows});
    return std::vector<Values>{values_of(stream, c)};
  };
  conform(side_by_side, {{121, 243}}, 0);
  // Two products [1, 1] [1, 2], one below the other.
  const auto below = [](Stream& stream) {
    const Tensor c = poisoned(stream, {2, 2});
    matmul_batch(stream, {.joined = {.a = tensor_of(stream, {1, 2}, {2, 3}),
                                     .b = tensor_of(stream, {2, 2}, {1, 2, 3, 4}),
                                     .c = c},
                          .count = 2,
                          .a = BatchPart::columns,
                          .b = BatchPart::rows,
                          .c = BatchPart::rows});
    return std::vector<Values>{values_of(stream, c)};
  };
  conform(below, {{2, 4, 9, 12}}, 0);
}

TEST_CASE("batches of products refuse what does not fit") {
  const auto with = [](const Shape& a, const Shape& b, const Shape& c, BatchPart part_c) {
    return [=](Stream& stream) {
      matmul_batch(
          stream,
          {.joined = {.a = poisoned(stream, a), .b = poisoned(stream, b), .c = poisoned(stream, c)},
           .count = 2,
           .b = BatchPart::rows,
           .c = part_c});
    };
  };
  refuses(with({3, 4}, {9, 5}, {3, 10}, BatchPart::columns),
          "[matmul_batch] b is [9, 5]: its rows should be 2 equal parts");
  refuses(with({3, 4}, {8, 5}, {3, 9}, BatchPart::columns), "c is [3, 9]: its columns should be");
  refuses(with({3, 4}, {8, 5}, {3, 12}, BatchPart::columns), "c is [3, 6] and should be [3, 5]");
  refuses(with({3, 4}, {8, 5}, {3, 5}, BatchPart::all), "all products would write");
  refuses([](Stream& stream) { matmul_batch(stream, {}); }, "a is missing");
  refuses(
      [](Stream& stream) {
        const Tensor x = poisoned(stream, {2, 4});
        matmul_batch(stream, {.joined = {.a = x, .b = poisoned(stream, {8, 2}), .c = x},
                              .count = 2,
                              .b = BatchPart::rows});
      },
      "c shares memory with a");
}

}  // namespace stagecraft::testing
