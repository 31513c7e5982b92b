#include "kernels/ops/cross_entropy.h"

#include <algorithm>

#include "kernels/backends/make_stream.h"
#include "kernels/ops/checks.h"
#include "tests/conformance/ops/cross_entropy_reference.h"

namespace stagecraft::testing {
namespace {

using Case = CrossEntropyCase;

constexpr double kTolerance = 2e-6;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

VocabularyShard shard_of(const Case& with, std::int64_t shard) {
  return {.first_token = shard * with.columns, .vocabulary = with.vocabulary};
}

/// One shard's logits; the padding is poison, which must not be looked at.
Tensor logits_of(Stream& stream, const Case& with, std::int64_t shard) {
  Values local;
  for (std::int64_t row = 0; row < with.rows; ++row) {
    for (std::int64_t token = shard * with.columns; token < (shard + 1) * with.columns; ++token) {
      local.push_back(token < with.vocabulary ? with.logits[with.at(row, token)]
                                              : std::numeric_limits<double>::quiet_NaN());
    }
  }
  return tensor_of(stream, {with.rows, with.columns}, local);
}

Values larger_of(const Values& a, const Values& b) {
  Values larger(a.size());
  std::transform(a.begin(), a.end(), b.begin(), larger.begin(),
                 [](double x, double y) { return std::max(x, y); });
  return larger;
}

/// All shards beside each other, with the reductions between the passes done here.
struct Sharded {
  Sharded(Stream& on, const Case& the_case) : stream(on), with(the_case) {
    for (std::int64_t shard = 0; shard < with.shards; ++shard) {
      logits.push_back(logits_of(stream, with, shard));
    }
    targets = tensor_of(stream, {with.rows}, with.targets, DType::int32);
  }

  void find_maximum() {
    Values largest(static_cast<std::size_t>(with.rows), -kInfinity);
    for (std::int64_t shard = 0; shard < with.shards; ++shard) {
      const Tensor local = poisoned(stream, {with.rows});
      softmax_maximum(stream, {local_logits(shard), shard_of(with, shard), local});
      local_maxima.push_back(values_of(stream, local));
      largest = larger_of(largest, local_maxima.back());
    }
    maximum = tensor_of(stream, {with.rows}, largest);
  }

  void find_sum() {
    Values sum(static_cast<std::size_t>(2 * with.rows));
    for (std::int64_t shard = 0; shard < with.shards; ++shard) {
      const Tensor local = poisoned(stream, {2, with.rows});
      softmax_sum(stream, {local_logits(shard), maximum, targets, shard_of(with, shard), local});
      local_sums.push_back(values_of(stream, local));
      sum = sum_of(sum, local_sums.back());
    }
    sum_and_target = tensor_of(stream, {2, with.rows}, sum);
  }

  Values find_loss() {
    const Tensor loss = poisoned(stream, {1}, DType::float64);
    cross_entropy_loss(stream, {sum_and_target, targets, loss});
    return values_of(stream, loss);
  }

  /// [rows, shards * columns], the padding included.
  Values find_gradient() {
    Values gradient(static_cast<std::size_t>(with.rows * with.shards * with.columns));
    for (std::int64_t shard = 0; shard < with.shards; ++shard) {
      softmax_gradient(stream, {local_logits(shard), maximum, sum_and_target, targets,
                                shard_of(with, shard), static_cast<float>(kGradientScale)});
      const Values local = values_of(stream, local_logits(shard));
      for (std::int64_t row = 0; row < with.rows; ++row) {
        std::copy_n(local.begin() + row * with.columns, with.columns,
                    gradient.begin() + (row * with.shards + shard) * with.columns);
      }
    }
    return gradient;
  }

  const Tensor& local_logits(std::int64_t shard) const {
    return logits[static_cast<std::size_t>(shard)];
  }

  Stream& stream;
  const Case& with;
  std::vector<Tensor> logits;
  Tensor targets;
  Tensor maximum;
  Tensor sum_and_target;
  std::vector<Values> local_maxima;
  std::vector<Values> local_sums;
};

/// The reference's gradient with zeros for the padding.
Values padded(const Case& with, const Values& gradient) {
  Values wide(static_cast<std::size_t>(with.rows * with.shards * with.columns));
  for (std::int64_t row = 0; row < with.rows; ++row) {
    std::copy_n(gradient.begin() + row * with.vocabulary, with.vocabulary,
                wide.begin() + row * with.shards * with.columns);
  }
  return wide;
}

void check_case(const Case& with) {
  CAPTURE(with.rows, with.vocabulary, with.shards, with.columns);
  conform(
      [&](Stream& stream) -> std::vector<Values> {
        Sharded sharded(stream, with);
        sharded.find_maximum();
        sharded.find_sum();
        return {sharded.find_loss(), sharded.find_gradient()};
      },
      {{cross_entropy_reference(with, with.logits)},
       padded(with, cross_entropy_reference_gradient(with))},
      kTolerance);
}

}  // namespace

TEST_CASE("cross-entropy over 1, 2 and 3 shards of the vocabulary") {
  for (const auto& [rows, vocabulary] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {1, 1}, {1, 2}, {5, 3}, {3, 31}, {64, 100}, {7, 128}, {130, 257}, {2, 5000}}) {
    for (std::int64_t shards = 1; shards <= 3; ++shards) {
      const std::int64_t exact = (vocabulary + shards - 1) / shards;
      check_case({rows, vocabulary, shards, exact});
      check_case({rows, vocabulary, shards, (exact + 127) / 128 * 128});
    }
  }
}

TEST_CASE("cross-entropy over GPT-2's vocabulary") { check_case({5, 50257, 1, 50304}); }

TEST_CASE("a shard of padding only takes no part in cross-entropy") {
  const Case with{6, 100, 3, 128};  // shards 1 and 2 hold no token
  check_case(with);
  for (DeviceUnderTest& device : devices_under_test()) {
    Sharded sharded(*device.streams.back(), with);
    sharded.find_maximum();
    sharded.find_sum();
    for (const std::size_t shard : {1, 2}) {
      CHECK(sharded.local_maxima[shard] == Values(6, -kInfinity));
      CHECK(sharded.local_sums[shard] == Values(12, 0));
    }
  }
}

TEST_CASE("the cross-entropy reference's gradient is that of its loss") {
  const Case with{5, 9, 1, 9};
  const Values numeric = numeric_gradient(
      [&](const Values& at) { return kGradientScale * cross_entropy_reference(with, at); },
      with.logits);
  CHECK(max_relative_error(cross_entropy_reference_gradient(with), numeric) < 1e-8);
}

TEST_CASE("cross-entropy of large logits neither overflows nor loses the target") {
  Case with{4, 70, 1, 70};
  std::transform(with.logits.begin(), with.logits.end(), with.logits.begin(),
                 [](double x) { return 512 * x; });
  with.logits[with.at(1, 3)] = -kInfinity;
  check_case(with);
}

TEST_CASE("rows that are all ignored have no loss and no gradient") {
  Case with{9, 40, 2, 20};
  std::fill(with.targets.begin(), with.targets.end(), kIgnoredTarget);
  check_case(with);
  REQUIRE(cross_entropy_reference(with, with.logits) == 0);
  for (DeviceUnderTest& device : devices_under_test()) {
    Sharded sharded(*device.streams.front(), with);
    sharded.find_maximum();
    sharded.find_sum();
    CHECK(sharded.find_loss() == Values{0});
    CHECK(sharded.find_gradient() == Values(9 * 40, 0));
  }
}

TEST_CASE("softmax_cross_entropy gives the bits of its parts") {
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    for (const Case& with :
         {Case{1, 1, 1, 1}, Case{5, 7, 1, 9}, Case{9, 33, 1, 40}, Case{6, 4001, 1, 4096},
          Case{3, 50257, 1, 50304}, Case{800, 131, 1, 136}, Case{150, 30001, 1, 30016},
          Case{2, 60001, 1, 60032}, Case{140, 60001, 1, 60032}}) {
      CAPTURE(to_string(dtype), with.rows, with.vocabulary);
      for (DeviceUnderTest& device : devices_under_test()) {
        Stream& stream = *device.streams.back();
        if (dtype == DType::bfloat16 && !without_bfloat16(stream).empty()) {
          continue;
        }
        const VocabularyShard shard{.vocabulary = with.vocabulary};
        const Shape shape = {with.rows, with.columns};
        const Values drawn = random_values(elements_of(shape), 3);
        const Tensor targets = tensor_of(stream, {with.rows}, with.targets, DType::int32);
        const Tensor whole = tensor_of(stream, shape, drawn, dtype);
        const Tensor whole_loss = poisoned(stream, {1}, DType::float64);
        softmax_cross_entropy(stream, {whole, targets, with.vocabulary, 0.25F, whole_loss});
        const Tensor parts = tensor_of(stream, shape, drawn, dtype);
        const Tensor loss = poisoned(stream, {1}, DType::float64);
        const Tensor maximum = poisoned(stream, {with.rows});
        const Tensor sums = poisoned(stream, {2, with.rows});
        softmax_maximum(stream, {parts, shard, maximum});
        softmax_sum(stream, {parts, maximum, targets, shard, sums});
        cross_entropy_loss(stream, {sums, targets, loss});
        softmax_gradient(stream, {parts, maximum, sums, targets, shard, 0.25F});
        CHECK(same_bits({values_of(stream, whole), values_of(stream, whole_loss)},
                        {values_of(stream, parts), values_of(stream, loss)}));
      }
    }
  }
}

TEST_CASE("the loss is summed in float64") {
  // 2^20 rows of loss 1 + 2^-12: in float32 the sum would stop taking the small part in.
  constexpr std::int64_t kRows = 1 << 20;
  for (DeviceUnderTest& device : devices_under_test()) {
    Stream& stream = *device.streams.back();
    Values sum_and_target(2 * kRows, 1.0);  // log(1) = 0
    std::fill(sum_and_target.begin() + kRows, sum_and_target.end(), -(1 + 0x1p-12));
    const Tensor loss = poisoned(stream, {1}, DType::float64);
    cross_entropy_loss(stream, {tensor_of(stream, {2, kRows}, sum_and_target),
                                tensor_of(stream, {kRows}, Values(kRows), DType::int32), loss});
    CHECK(values_of(stream, loss) == Values{kRows + kRows * 0x1p-12});
  }
}

TEST_CASE("cross-entropy refuses arguments that do not fit together") {
  const VocabularyShard shard{.first_token = 0, .vocabulary = 7};
  const auto logits = [](Stream& s) { return poisoned(s, {3, 8}); };
  const auto targets = [](Stream& s) {
    return tensor_of(s, {3}, {0, 1, kIgnoredTarget}, DType::int32);
  };
  refuses(
      [&](Stream& s) {
        softmax_maximum(s, {logits(s), shard, poisoned(s, {4})});
      },
      "[softmax_maximum] maximum is [4]: it should be [3]");
  refuses(
      [&](Stream& s) {
        softmax_maximum(s, {logits(s), {0, 0}, poisoned(s, {3})});
      },
      "[softmax_maximum] the vocabulary has 0 tokens");
  refuses(
      [&](Stream& s) {
        softmax_maximum(s, {logits(s), {-8, 7}, poisoned(s, {3})});
      },
      "[softmax_maximum] first_token is -8");
  refuses(
      [&](Stream& s) {
        softmax_sum(s, {logits(s), poisoned(s, {3}), poisoned(s, {3}), shard, poisoned(s, {2, 3})});
      },
      "[softmax_sum] targets holds float32, not int32");
  refuses(
      [&](Stream& s) {
        softmax_sum(s, {logits(s), poisoned(s, {3}), targets(s), shard, poisoned(s, {3, 2})});
      },
      "[softmax_sum] sum_and_target is [3, 2]: it should be [2, 3]");
  refuses(
      [&](Stream& s) {
        cross_entropy_loss(s, {poisoned(s, {2, 3}), targets(s), poisoned(s, {1})});
      },
      "[cross_entropy_loss] loss holds float32, not float64");
  refuses(
      [&](Stream& s) {
        softmax_gradient(s, {Tensor(), poisoned(s, {3}), poisoned(s, {2, 3}), targets(s), shard});
      },
      "[softmax_gradient] logits is missing");
  refuses(
      [&](Stream& s) {
        softmax_gradient(s,
                         {logits(s), poisoned(s, {3, 1}), poisoned(s, {2, 3}), targets(s), shard});
      },
      "[softmax_gradient] maximum is [3, 1]: it should be [3]");
}

TEST_CASE("the CPU refuses a target that is no token") {
  const auto stream = make_stream({DeviceKind::cpu, 0}, {.threads = 2});
  for (const double target : {7.0, -2.0}) {
    const Tensor targets = tensor_of(*stream, {2}, {6, target}, DType::int32);
    const SoftmaxSum args{poisoned(*stream, {2, 8}),
                          poisoned(*stream, {2}),
                          targets,
                          {.first_token = 0, .vocabulary = 7},
                          poisoned(*stream, {2, 2})};
    CHECK_THROWS_WITH(softmax_sum(*stream, args),
                      Catch::Matchers::Contains("[softmax_sum] the target of row 1 is " +
                                                std::to_string(static_cast<int>(target)) +
                                                ": tokens are 0 .. 6"));
  }
}

}  // namespace stagecraft::testing
