// Cross-entropy over 1 to 4 vocabulary shards against one shard and against float64.
#include "tensor_parallel/layers/vocabulary_cross_entropy.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "kernels/base/random.h"
#include "tensor_parallel/sharding/shard_spec.h"
#include "tests/conformance/members.h"
#include "tests/tensor_parallel/sharding/shard_runs.h"

namespace stagecraft::test {
namespace {

constexpr std::int64_t kRows = 9;

struct Problem {
  std::int64_t vocabulary = 0;
  std::int64_t padded = 0;
};

std::vector<float> logits_of(const Problem& problem) {
  std::vector<float> logits(kRows * problem.vocabulary);
  fill_normal({.key = random_key(3, "logits")}, 0, logits.size(), 4.0F, logits.data());
  return logits;
}

/// One row is ignored; the targets of the others range from the first to the last token.
std::vector<std::int32_t> targets_of(const Problem& problem) {
  std::vector<std::int32_t> targets;
  for (std::int64_t row = 0; row < kRows; ++row) {
    targets.push_back(static_cast<std::int32_t>(row * (problem.vocabulary - 1) / (kRows - 1)));
  }
  targets.at(4) = kIgnoredTarget;
  return targets;
}

struct Result {
  std::vector<double> loss;     // of every rank
  std::vector<float> gradient;  // [rows, vocabulary], gathered
};

Result computed(const Problem& problem, int ranks) {
  Result result{std::vector<double>(ranks), std::vector<float>(kRows * problem.vocabulary)};
  const std::vector<float> logits = logits_of(problem);
  run_local("cross entropy", ranks, [&](Member& member) {
    Stream& stream = member.stream;
    const ShardSpec spec{.dimension = 1, .shards = ranks, .padded_size = problem.padded};
    const Shape global{kRows, problem.vocabulary};
    const Shape local = local_shape(global, spec, member.rank(), ranks);
    const auto runs = shard_runs(global, spec, member.rank(), ranks);
    // Padding has the largest values, so that reading it would change the result.
    const Tensor x = tensor_of(stream, std::vector<float>(elements_of(local), 1e6F), local);
    for (const ShardRun& run : runs) {
      std::copy_n(logits.data() + run.global_begin, run.count, x.data<float>() + run.local_begin);
    }
    const Tensor targets = tensor_of(stream, targets_of(problem));
    const Tensor loss(stream.memory(), {1}, DType::float64, MemoryLabel::workspace);
    const VocabularyShard shard{.first_token = member.rank() * local[1],
                                .vocabulary = problem.vocabulary};
    vocab_cross_entropy(stream, member.group, x, targets, shard, loss);
    const double alone = values_of<double>(stream, loss).front();
    vocab_cross_entropy_gradient(stream, member.group, x, targets, shard, loss, 0.5F);
    result.loss.at(member.rank()) = values_of<double>(stream, loss).front();
    expect(result.loss.at(member.rank()) == alone, "the same loss without the gradient");
    const auto gradient = values_of<float>(stream, x);
    for (const ShardRun& run : runs) {
      std::copy_n(gradient.data() + run.local_begin, run.count,
                  result.gradient.data() + run.global_begin);
    }
  });
  return result;
}

Result exact(const Problem& problem) {
  Result result{{0.0}, {}};
  const std::vector<float> logits = logits_of(problem);
  const std::vector<std::int32_t> targets = targets_of(problem);
  for (std::int64_t row = 0; row < kRows; ++row) {
    const float* x = logits.data() + row * problem.vocabulary;
    const std::int32_t target = targets.at(row);
    double sum = 0;
    for (std::int64_t token = 0; token < problem.vocabulary; ++token) {
      sum += std::exp(static_cast<double>(x[token]));
    }
    const bool counted = target != kIgnoredTarget;
    result.loss.front() += counted ? std::log(sum) - x[target] : 0.0;
    for (std::int64_t token = 0; token < problem.vocabulary; ++token) {
      const double gradient = std::exp(static_cast<double>(x[token])) / sum - (token == target);
      result.gradient.push_back(counted ? static_cast<float>(0.5 * gradient) : 0.0F);
    }
  }
  return result;
}

void check_near(const Result& a, const Result& b) {
  CHECK(a.loss.front() == Approx(b.loss.front()).epsilon(1e-6));
  double worst = 0;
  for (std::size_t i = 0; i < b.gradient.size(); ++i) {
    worst = std::max<double>(worst, std::abs(a.gradient.at(i) - b.gradient.at(i)));
  }
  CHECK(worst < 1e-6);
}

}  // namespace

TEST_CASE("cross-entropy over vocabulary shards equals that over the whole vocabulary") {
  // Without padding; with padding; with ranks that hold only padding.
  const auto problem = GENERATE(Problem{24, 24}, Problem{21, 24}, Problem{5, 24});
  const Result one = computed(problem, 1);
  check_near(one, exact(problem));
  for (const int ranks : {2, 3, 4}) {
    const Result split = computed(problem, ranks);
    check_near(split, one);
    for (const double loss : split.loss) {
      CHECK(loss == split.loss.front());
    }
  }
}

}  // namespace stagecraft::test
