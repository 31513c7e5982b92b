// Linear layers whose ranks hold several shards: the bits of as many ranks as there are shards.
#include <catch2/catch.hpp>

#include "kernels/base/random.h"
#include "kernels/ops/checks.h"
#include "kernels/ops/elementwise.h"
#include "tensor_parallel/layers/linear.h"
#include "tensor_parallel/sharding/shard_spec.h"
#include "tests/conformance/members.h"

namespace stagecraft::test {
namespace {

constexpr std::int64_t kRows = 24;
constexpr std::int64_t kIn = 64;
constexpr std::int64_t kOut = 96;
constexpr int kShards = 4;

using Values = std::vector<float>;

Values drawn(const std::string& name, std::int64_t count) {
  Values values(static_cast<std::size_t>(count));
  fill_normal({.key = random_key(7, name)}, 0, values.size(), 1.0F, values.data());
  return values;
}

/// A matrix of the whole layer, of which a shard holds a range of rows or of columns.
struct Whole {
  std::int64_t rows;
  std::int64_t columns;
  Values values;

  /// Shard `shard` of kShards by columns, row by row.
  Values column_shard(int shard) const {
    const std::int64_t width = columns / kShards;
    Values part;
    for (std::int64_t row = 0; row < rows; ++row) {
      const auto begin = values.begin() + row * columns + shard * width;
      part.insert(part.end(), begin, begin + width);
    }
    return part;
  }
  Values row_shard(int shard) const {
    const std::int64_t count = rows / kShards * columns;
    return {values.begin() + shard * count, values.begin() + (shard + 1) * count};
  }
};

const Whole kX{kRows, kIn, drawn("x", kRows* kIn)};
const Whole kDy{kRows, kOut, drawn("dy", kRows* kOut)};
const Whole kWeight{kIn, kOut, drawn("weight", kIn* kOut)};
const Whole kBias{1, kOut, drawn("bias", kOut)};
const Whole kAt{kRows, kIn, drawn("at", kRows* kIn)};

/// One tensor that all ranks computed: of every rank its shards, one behind the other, or the same.
struct Output {
  Values values;
  bool replicated;
};

/// One rank, its shards and what it computes.
class RankUnderTest {
 public:
  RankUnderTest(Member& member, DType dtype)
      : member_(member), dtype_(dtype), shards_(kShards / member.size()) {}

  std::vector<Output> column_parallel() {
    const Tensor x = all_of(kX);
    const Tensor dy = joined(kDy);
    const Shape weight_shape = local({kIn, kOut}, 1);
    const Shape bias_shape = local({kOut}, 0);
    const Tensor weight = stacked(kWeight, &Whole::column_shard, weight_shape);
    const Tensor bias = stacked(kBias, &Whole::column_shard, bias_shape);
    const Tensor y = made(dy.shape());
    const Tensor before = made(dy.shape());
    const Tensor active = made(dy.shape());
    const Tensor dx = made(x.shape());
    column_linear_forward(stream(), x, weight, bias, y);
    column_linear_activation_forward(stream(), x, weight, bias, Activation::gelu_tanh, before,
                                     active);
    stream().wait(column_linear_backward_input(stream(), member_.group, dy, weight, dx));
    backward_weight(x, dy, weight_shape, bias_shape);
    for (const Tensor& activation : {y, before, active}) {
      collect_joined(activation);
    }
    collect(dx, true);
    return outputs_;
  }

  std::vector<Output> row_parallel() {
    const Tensor x = joined(kX);
    const Tensor dy = all_of(kDy);
    const Shape weight_shape = local({kIn, kOut}, 0);
    const Tensor weight = stacked(kWeight, &Whole::row_shard, weight_shape);
    const Tensor y = made(dy.shape());
    const Tensor dx = made(x.shape());
    const Tensor sloped = made(x.shape());
    row_linear_forward(stream(), member_.group, x, weight, y);
    row_linear_backward_input(stream(), dy, weight, dx);
    row_linear_activation_backward_input(stream(), dy, weight, Activation::gelu_tanh, joined(kAt),
                                         sloped);
    backward_weight(x, dy, weight_shape, {kOut});
    collect_joined(dx);
    collect_joined(sloped);
    collect(y, true);
    return outputs_;
  }

 private:
  Stream& stream() { return member_.stream; }
  Tensor made(const Shape& shape, DType dtype) {
    return {stream().memory(), shape, dtype, MemoryLabel::workspace};
  }
  Tensor made(const Shape& shape) { return made(shape, dtype_); }

  Tensor filled(const Shape& shape, const Values& values) {
    const Tensor tensor = made(shape);
    convert(stream(), {tensor_of(stream(), values, shape), tensor});
    return tensor;
  }
  Tensor all_of(const Whole& whole) { return filled({whole.rows, whole.columns}, whole.values); }

  /// This rank's shards by columns, as columns of one matrix.
  Tensor joined(const Whole& whole) {
    const std::int64_t width = whole.columns / kShards;
    const Tensor matrix = made({whole.rows, shards_ * width});
    for (int i = 0; i < shards_; ++i) {
      const Tensor shard = filled({whole.rows, width}, whole.column_shard(first_shard() + i));
      copy(stream(), {shard, matrix.columns(i * width, (i + 1) * width)});
    }
    return matrix;
  }
  /// The shape of this rank's part of a parameter that is sharded along `dimension`.
  Shape local(const Shape& global, int dimension) const {
    return local_shape(global, {.dimension = dimension, .shards = kShards}, member_.rank(),
                       member_.size());
  }
  /// This rank's shards, one behind the other.
  Tensor stacked(const Whole& whole, Values (Whole::*shard)(int) const, const Shape& shape) {
    Values all;
    for (int i = 0; i < shards_; ++i) {
      const Values one = (whole.*shard)(first_shard() + i);
      all.insert(all.end(), one.begin(), one.end());
    }
    return filled(shape, all);
  }
  int first_shard() const { return member_.rank() * shards_; }

  /// The first call overwrites, the second adds.
  void backward_weight(const Tensor& x, const Tensor& dy, const Shape& weight_shape,
                       const Shape& bias_shape) {
    const Tensor dweight = made(weight_shape, DType::float32);
    const Tensor dbias = made(bias_shape, DType::float32);
    for (const bool accumulate : {false, true}) {
      linear_backward_weight(stream(), x, dy, dweight, dbias, accumulate);
    }
    collect(dweight, false);
    collect(dbias, bias_shape == Shape{kOut});
  }

  void collect(const Tensor& tensor, bool replicated) {
    const Tensor numbers = made(tensor.shape(), DType::float32);
    convert(stream(), {tensor, numbers});
    outputs_.push_back({values_of<float>(stream(), numbers), replicated});
  }
  /// Shard by shard.
  void collect_joined(const Tensor& matrix) {
    const std::int64_t rows = matrix.size(0);
    const std::int64_t width = matrix.size(1) / shards_;
    const Tensor stack = made({shards_ * rows, width});
    for (int i = 0; i < shards_; ++i) {
      copy(stream(),
           {matrix.columns(i * width, (i + 1) * width), stack.rows(i * rows, (i + 1) * rows)});
    }
    collect(stack, false);
  }

  Member& member_;
  DType dtype_;
  int shards_;
  std::vector<Output> outputs_;
};

/// What `ranks` ranks compute of a layer of kShards shards.
std::vector<Values> computed(bool column_parallel, int ranks, DType dtype,
                             const testing::Placement& placement) {
  std::vector<std::vector<Output>> of_ranks(static_cast<std::size_t>(ranks));
  const auto compute = [&](Member& member) {
    RankUnderTest rank(member, dtype);
    of_ranks.at(static_cast<std::size_t>(member.rank())) =
        column_parallel ? rank.column_parallel() : rank.row_parallel();
  };
  run_local("linear shards", ranks, compute, placement);
  std::vector<Values> outputs;
  for (std::size_t i = 0; i < of_ranks.front().size(); ++i) {
    Values all = of_ranks.front().at(i).values;
    for (std::size_t rank = 1; rank < of_ranks.size(); ++rank) {
      const Output& more = of_ranks.at(rank).at(i);
      if (more.replicated) {
        CHECK(more.values == all);
      } else {
        all.insert(all.end(), more.values.begin(), more.values.end());
      }
    }
    outputs.push_back(all);
  }
  return outputs;
}

bool has_bfloat16(const testing::Placement& placement) {
  return without_bfloat16(*stream_of_member(placement.at(0), 0)).empty();
}

}  // namespace

TEST_CASE("several shards on a rank compute the bits of as many ranks") {
  const bool column_parallel = GENERATE(true, false);
  const DType dtype = GENERATE(DType::float32, DType::bfloat16);
  for (const testing::Placement& placement : testing::placements()) {
    CAPTURE(column_parallel, to_string(dtype), placement.name);
    if (dtype == DType::bfloat16 && !has_bfloat16(placement)) {
      continue;
    }
    const std::vector<Values> apart = computed(column_parallel, kShards, dtype, placement);
    CHECK(computed(column_parallel, 2, dtype, placement) == apart);
    CHECK(computed(column_parallel, 1, dtype, placement) == apart);
  }
}

}  // namespace stagecraft::test
