#include "tests/conformance/ops/attention_reference.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "kernels/base/random.h"

namespace stagecraft::testing {
namespace {

/// The documented numbering of what dropout keeps, one element at a time.
double dropout_factor(const AttentionShape& shape, std::int64_t sample, std::int64_t head,
                      std::int64_t query, std::int64_t key) {
  if (shape.dropout.probability == 0) {
    return 1;
  }
  const std::int64_t positions = shape.positions == 0 ? shape.sequence : shape.positions;
  const std::int64_t element = ((shape.first_head + head) * positions + query) * positions + key;
  const std::uint64_t global = shape.dropout.first_sample + static_cast<std::uint64_t>(sample);
  const PhiloxBlock words =
      philox(shape.dropout.key,
             {static_cast<std::uint32_t>(element / 4), static_cast<std::uint32_t>(global),
              static_cast<std::uint32_t>(global >> 32), shape.dropout.step});
  const bool kept =
      uniform(words[static_cast<std::size_t>(element % 4)]) >= shape.dropout.probability;
  return kept ? 1 / (1 - static_cast<double>(shape.dropout.probability)) : 0;
}

/// Where things lie, as indices.
struct Layout {
  explicit Layout(const AttentionShape& of) : shape(of) {}
  std::int64_t token(std::int64_t sample, std::int64_t t) const {
    return sample * shape.sequence + t;
  }
  std::size_t query(std::int64_t sample, std::int64_t head, std::int64_t t) const {
    return static_cast<std::size_t>(token(sample, t) * joined_width(shape) +
                                    head * shape.head_size);
  }
  /// Of what query head `head` reads.
  std::size_t key(std::int64_t sample, std::int64_t head, std::int64_t t) const {
    const std::int64_t key_head = head * shape.key_heads() / shape.heads;
    return query(sample, shape.heads + key_head, t);
  }
  std::size_t value(std::int64_t sample, std::int64_t head, std::int64_t t) const {
    return key(sample, head, t) + static_cast<std::size_t>(shape.key_heads() * shape.head_size);
  }
  std::size_t out(std::int64_t sample, std::int64_t head, std::int64_t t) const {
    return static_cast<std::size_t>((token(sample, t) * shape.heads + head) * shape.head_size);
  }
  std::int64_t out_size() const {
    return shape.samples * shape.sequence * shape.heads * shape.head_size;
  }
  template <typename F>
  void for_each_query(F&& f) const {
    for (std::int64_t sample = 0; sample < shape.samples; ++sample) {
      for (std::int64_t head = 0; head < shape.heads; ++head) {
        for (std::int64_t query = 0; query < shape.sequence; ++query) {
          f(sample, head, query);
        }
      }
    }
  }
  AttentionShape shape;
};

double dot_at(const Values& a, std::size_t at_a, const Values& b, std::size_t at_b,
              std::int64_t size) {
  double sum = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(size); ++i) {
    sum += a[at_a + i] * b[at_b + i];
  }
  return sum;
}

void add_at(Values& to, std::size_t at_to, double factor, const Values& from, std::size_t at_from,
            std::int64_t size) {
  for (std::size_t i = 0; i < static_cast<std::size_t>(size); ++i) {
    to[at_to + i] += factor * from[at_from + i];
  }
}

/// The documented rule of one pair.
bool has_key(const AttentionShape& shape, const KeyRanges& ranges, std::int64_t sample,
             std::int64_t query, std::int64_t key) {
  const std::int64_t row = sample * shape.sequence + query;
  const auto at = [](const Values& values, std::int64_t i) {
    return static_cast<std::int64_t>(values.at(static_cast<std::size_t>(i)));
  };
  if (shape.causal && key > query) {
    return false;
  }
  if (!ranges.lengths.empty()) {
    const std::int64_t length = at(ranges.lengths, sample);
    return query < length && key < length;
  }
  return ranges.keys.empty() || (key >= at(ranges.keys, row) &&
                                 key < at(ranges.keys, shape.samples * shape.sequence + row));
}

struct Score {
  std::int64_t key;
  double value;
};

/// The scores of a query with the keys that it has.
std::vector<Score> scores_of(const Layout& layout, const Values& qkv, const KeyRanges& ranges,
                             std::int64_t sample, std::int64_t head, std::int64_t query) {
  const std::int64_t size = layout.shape.head_size;
  std::vector<Score> scores;
  for (std::int64_t key = 0; key < layout.shape.sequence; ++key) {
    if (has_key(layout.shape, ranges, sample, query, key)) {
      const double product =
          dot_at(qkv, layout.query(sample, head, query), qkv, layout.key(sample, head, key), size);
      scores.push_back({key, product / std::sqrt(static_cast<double>(size))});
    }
  }
  return scores;
}

/// -infinity without scores.
double lse_of(const std::vector<Score>& scores) {
  double maximum = -std::numeric_limits<double>::infinity();
  for (const Score& score : scores) {
    maximum = std::max(maximum, score.value);
  }
  double sum = 0;
  for (const Score& score : scores) {
    sum += std::exp(score.value - maximum);
  }
  return scores.empty() ? maximum : maximum + std::log(sum);
}

/// Queries, keys and values of [samples * T, q | k | v].
std::array<Values, 3> parts_of(const AttentionShape& shape, const Values& qkv) {
  const auto row = static_cast<std::size_t>(joined_width(shape));
  const auto keys = static_cast<std::size_t>(shape.heads * shape.head_size);
  const auto values = keys + static_cast<std::size_t>(shape.key_heads() * shape.head_size);
  std::array<Values, 3> parts;
  for (std::size_t i = 0; i < qkv.size(); ++i) {
    const std::size_t column = i % row;
    parts.at(column < keys ? 0 : column < values ? 1 : 2).push_back(qkv[i]);
  }
  return parts;
}

double largest_of(const Values& values) {
  double largest = 0;
  for (const double value : values) {
    largest = std::max(largest, std::abs(value));
  }
  return largest;
}

}  // namespace

Attended attention_reference(const AttentionShape& shape, const Values& qkv,
                             const KeyRanges& ranges) {
  const Layout layout(shape);
  Attended result{Values(static_cast<std::size_t>(layout.out_size())), {}};
  layout.for_each_query([&](std::int64_t sample, std::int64_t head, std::int64_t query) {
    const std::vector<Score> scores = scores_of(layout, qkv, ranges, sample, head, query);
    result.lse.push_back(lse_of(scores));
    for (const auto& [key, score] : scores) {
      const double probability =
          std::exp(score - result.lse.back()) * dropout_factor(shape, sample, head, query, key);
      add_at(result.out, layout.out(sample, head, query), probability, qkv,
             layout.value(sample, head, key), shape.head_size);
    }
  });
  return result;
}

Values attention_reference_gradient(const AttentionShape& shape, const Values& qkv,
                                    const Values& dout, const KeyRanges& ranges) {
  const Layout layout(shape);
  const std::int64_t size = shape.head_size;
  const double scale = 1 / std::sqrt(static_cast<double>(size));
  Values dqkv(qkv.size());
  layout.for_each_query([&](std::int64_t sample, std::int64_t head, std::int64_t query) {
    const std::vector<Score> scores = scores_of(layout, qkv, ranges, sample, head, query);
    const double lse = lse_of(scores);
    const std::size_t at_dout = layout.out(sample, head, query);
    Values probability(scores.size());
    Values dprobability(scores.size());
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const std::int64_t key = scores[i].key;
      const double factor = dropout_factor(shape, sample, head, query, key);
      const std::size_t value = layout.value(sample, head, key);
      probability[i] = std::exp(scores[i].value - lse);
      dprobability[i] = factor * dot_at(dout, at_dout, qkv, value, size);
      add_at(dqkv, value, factor * probability[i], dout, at_dout, size);
    }
    const double delta = dot(probability, dprobability);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const double dscore = scale * probability[i] * (dprobability[i] - delta);
      const std::size_t at_query = layout.query(sample, head, query);
      const std::size_t at_key = layout.key(sample, head, scores[i].key);
      add_at(dqkv, at_query, dscore, qkv, at_key, size);
      add_at(dqkv, at_key, dscore, qkv, at_query, size);
    }
  });
  return dqkv;
}

void check_parts(const AttentionShape& shape, const Values& dqkv, const Values& expected,
                 const PartTolerance& tolerance) {
  constexpr std::array<const char*, 3> kNames = {"queries", "keys", "values"};
  REQUIRE(dqkv.size() == expected.size());
  const std::array<Values, 3> actual = parts_of(shape, dqkv);
  const std::array<Values, 3> wanted = parts_of(shape, expected);
  for (std::size_t part = 0; part < 3; ++part) {
    INFO("the gradient of the " << kNames.at(part));
    if (shape.sequence == 1 && part < 2) {
      CHECK(largest_of(actual.at(part)) <= tolerance.largest * largest_of(wanted[2]));
      continue;
    }
    CHECK(max_relative_error(actual.at(part), wanted.at(part)) <= tolerance.largest);
    CHECK(rms_relative_error(actual.at(part), wanted.at(part)) <= tolerance.rms);
  }
}

}  // namespace stagecraft::testing
