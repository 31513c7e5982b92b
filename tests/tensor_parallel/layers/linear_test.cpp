// Linear layers over 1 to 4 ranks against float64 and against one rank.
#include "tensor_parallel/layers/linear.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "kernels/base/random.h"
#include "tensor_parallel/sharding/shard_spec.h"
#include "tests/conformance/members.h"
#include "tests/tensor_parallel/sharding/shard_runs.h"

namespace stagecraft::test {
namespace {

constexpr std::int64_t kRows = 10;
constexpr std::int64_t kIn = 24;
constexpr std::int64_t kOut = 36;

using Values = std::vector<float>;

struct Matrix {
  Shape shape;
  Values values;
};

Matrix random_matrix(const std::string& name, Shape shape) {
  Matrix matrix{shape, Values(elements_of(shape))};
  fill_normal({.key = random_key(7, name)}, 0, matrix.values.size(), 1.0F, matrix.values.data());
  return matrix;
}

/// op(a) op(b) in float64. A transposed matrix is stored untransposed.
Values product(const Matrix& a, bool transpose_a, const Matrix& b, bool transpose_b) {
  const auto element = [](const Matrix& m, bool transposed, std::int64_t i, std::int64_t j) {
    return static_cast<double>(m.values.at(transposed ? j * m.shape[1] + i : i * m.shape[1] + j));
  };
  const std::int64_t rows = a.shape[transpose_a ? 1 : 0];
  const std::int64_t inner = a.shape[transpose_a ? 0 : 1];
  const std::int64_t columns = b.shape[transpose_b ? 0 : 1];
  Values result;
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      double sum = 0;
      for (std::int64_t k = 0; k < inner; ++k) {
        sum += element(a, transpose_a, i, k) * element(b, transpose_b, k, j);
      }
      result.push_back(static_cast<float>(sum));
    }
  }
  return result;
}

Tensor shard_of(Member& member, const Matrix& whole, int dimension) {
  const ShardSpec spec{.dimension = dimension, .shards = dimension < 0 ? 1 : member.size()};
  Tensor x(member.stream.memory(), local_shape(whole.shape, spec, member.rank(), member.size()),
           DType::float32, MemoryLabel::workspace);
  for (const ShardRun& run : shard_runs(whole.shape, spec, member.rank(), member.size())) {
    std::copy_n(whole.values.data() + run.global_begin, run.count,
                x.data<float>() + run.local_begin);
  }
  return x;
}

/// Writes a rank's part into `whole`, which all ranks share. A replicated part must have the same
/// bits on every rank; rank 0 writes it.
void put(Member& member, const Tensor& part, int dimension, Matrix& whole) {
  const ShardSpec spec{.dimension = dimension, .shards = dimension < 0 ? 1 : member.size()};
  const Values values = values_of<float>(member.stream, part);
  if (dimension < 0) {
    const Tensor first = tensor_of(member.stream, values, part.shape());
    member.group.broadcast(member.stream, first, 0);
    expect(values_of<float>(member.stream, first) == values, "all ranks have the same bits");
    if (member.rank() > 0) {
      return;
    }
  }
  for (const ShardRun& run : shard_runs(whole.shape, spec, member.rank(), member.size())) {
    std::copy_n(values.data() + run.local_begin, run.count, whole.values.data() + run.global_begin);
  }
}

/// Results gathered from all ranks.
struct Results {
  Matrix y{{kRows, kOut}, Values(kRows* kOut)};
  Matrix dx{{kRows, kIn}, Values(kRows* kIn)};
  Matrix dweight{{kIn, kOut}, Values(kIn* kOut)};
  Matrix dbias{{kOut}, Values(kOut)};
};

const Matrix kX = random_matrix("x", {kRows, kIn});
const Matrix kDy = random_matrix("dy", {kRows, kOut});
const Matrix kWeight = random_matrix("weight", {kIn, kOut});
const Matrix kBias = random_matrix("bias", {kOut});

Tensor empty_like(Member& member, Shape shape) {
  return Tensor(member.stream.memory(), std::move(shape), DType::float32, MemoryLabel::workspace);
}

/// The part of the weight that a rank holds.
enum class Kind { column, row };

Results computed(Kind kind, int ranks) {
  Results results;
  const bool column = kind == Kind::column;
  run_local("linear", ranks, [&](Member& member) {
    Stream& stream = member.stream;
    const Tensor x = shard_of(member, kX, column ? -1 : 1);
    const Tensor dy = shard_of(member, kDy, column ? 1 : -1);
    const Tensor weight = shard_of(member, kWeight, column ? 1 : 0);
    const Tensor bias = shard_of(member, kBias, column ? 0 : -1);
    const Tensor y = empty_like(member, dy.shape());
    const Tensor dx = empty_like(member, x.shape());
    const Tensor dweight = empty_like(member, weight.shape());
    const Tensor dbias = empty_like(member, bias.shape());
    if (column) {
      column_linear_forward(stream, x, weight, bias, y);
      stream.wait(column_linear_backward_input(stream, member.group, dy, weight, dx));
    } else {
      row_linear_forward(stream, member.group, x, weight, y);
      row_linear_backward_input(stream, dy, weight, dx);
    }
    // The first call overwrites, the second adds.
    linear_backward_weight(stream, x, dy, dweight, dbias, false);
    linear_backward_weight(stream, x, dy, dweight, dbias, true);
    put(member, y, column ? 1 : -1, results.y);
    put(member, dx, column ? -1 : 1, results.dx);
    put(member, dweight, column ? 1 : 0, results.dweight);
    put(member, dbias, column ? 0 : -1, results.dbias);
  });
  return results;
}

/// Computed in float64 and rounded once.
Results exact(Kind kind) {
  Results results;
  results.y.values = product(kX, false, kWeight, false);
  for (std::size_t i = 0; kind == Kind::column && i < results.y.values.size(); ++i) {
    results.y.values.at(i) += kBias.values.at(i % kOut);
  }
  results.dx.values = product(kDy, false, kWeight, true);
  results.dweight.values = product(kX, true, kDy, false);
  const Matrix ones{{1, kRows}, Values(kRows, 1.0F)};
  results.dbias.values = product(ones, false, kDy, false);
  for (Matrix* twice : {&results.dweight, &results.dbias}) {
    for (float& gradient : twice->values) {
      gradient *= 2;
    }
  }
  return results;
}

void check_near(const Matrix& a, const Matrix& b, double tolerance) {
  double largest = 0;
  double worst = 0;
  for (std::size_t i = 0; i < b.values.size(); ++i) {
    largest = std::max<double>(largest, std::abs(b.values.at(i)));
    worst = std::max<double>(worst, std::abs(a.values.at(i) - b.values.at(i)));
  }
  CHECK(worst <= tolerance * largest);
  CHECK(largest > 1);
}

void check_near(const Results& a, const Results& b, double tolerance) {
  check_near(a.y, b.y, tolerance);
  check_near(a.dx, b.dx, tolerance);
  check_near(a.dweight, b.dweight, tolerance);
  check_near(a.dbias, b.dbias, tolerance);
}

}  // namespace

TEST_CASE("linear layers over 1 to 4 ranks agree with float64 and with one rank") {
  const Kind kind = GENERATE(Kind::column, Kind::row);
  const Results one = computed(kind, 1);
  const Results in_float64 = exact(kind);
  for (const int ranks : {1, 2, 3, 4}) {
    const Results split = computed(kind, ranks);
    check_near(split, in_float64, 1e-5);
    check_near(split, one, 1e-5);
  }
}

TEST_CASE("a linear layer without a bias has no bias gradient") {
  run_local("no bias", 1, [](Member& member) {
    const Tensor dweight = empty_like(member, kWeight.shape);
    linear_backward_weight(member.stream, shard_of(member, kX, -1), shard_of(member, kDy, -1),
                           dweight, {}, false);
    Results results;
    put(member, dweight, -1, results.dweight);
    Matrix wanted{kWeight.shape, product(kX, true, kDy, false)};
    check_near(results.dweight, wanted, 1e-5);
  });
}

}  // namespace stagecraft::test
