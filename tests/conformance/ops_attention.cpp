#include "kernels/ops/attention.h"

#include <algorithm>
#include <array>

#include "tests/conformance/reference.h"

namespace stagecraft::testing {
namespace {

constexpr std::uint64_t kKey = 0x123456789ABCDEF0ULL;
constexpr std::uint32_t kStep = 3;
constexpr std::uint64_t kFirstSample = 0x100000005ULL;  // more than 32 bits
constexpr double kForwardTolerance = 5e-6;
constexpr double kBackwardTolerance = 2e-5;

AttentionShape shape_of(std::int64_t samples, std::int64_t sequence, std::int64_t heads,
                        std::int64_t head_size, float dropout = 0, std::int64_t first_head = 0) {
  return {.samples = samples,
          .sequence = sequence,
          .heads = heads,
          .head_size = head_size,
          .first_head = first_head,
          .dropout = {dropout, kKey, kStep, kFirstSample}};
}

/// Lanes, blocks and ranges of keys: whole, cut, and of one; few heads and many.
std::vector<AttentionShape> shapes() {
  std::vector<AttentionShape> all;
  for (const float dropout : {0.0F, 0.3F}) {
    for (const auto& [samples, sequence, heads, head_size] :
         std::vector<std::array<std::int64_t, 4>>{{1, 1, 1, 1},
                                                  {2, 1, 3, 7},
                                                  {1, 2, 1, 3},
                                                  {1, 17, 2, 5},
                                                  {1, 64, 2, 64},
                                                  {1, 65, 2, 1},
                                                  {2, 65, 1, 7},
                                                  {1, 66, 2, 32},
                                                  {1, 130, 2, 3},
                                                  {1, 130, 1, 64},
                                                  {1, 200, 2, 80},
                                                  {1, 129, 1, 128},
                                                  {33, 131, 1, 3},
                                                  {1, 321, 1, 96}}) {
      all.push_back(shape_of(samples, sequence, heads, head_size, dropout, sequence % 3));
    }
  }
  return all;
}

/// The documented numbering, one element at a time.
double dropout_factor(const AttentionShape& shape, std::int64_t sample, std::int64_t head,
                      std::int64_t query, std::int64_t key) {
  if (shape.dropout.probability == 0) {
    return 1;
  }
  const std::int64_t element =
      ((shape.first_head + head) * shape.sequence + query) * shape.sequence + key;
  const std::uint64_t global = kFirstSample + static_cast<std::uint64_t>(sample);
  const PhiloxBlock words =
      philox(kKey, {static_cast<std::uint32_t>(element / 4), static_cast<std::uint32_t>(global),
                    static_cast<std::uint32_t>(global >> 32), kStep});
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
  std::size_t qkv(int part, std::int64_t sample, std::int64_t head, std::int64_t t) const {
    return static_cast<std::size_t>(((token(sample, t) * 3 + part) * shape.heads + head) *
                                    shape.head_size);
  }
  std::size_t out(std::int64_t sample, std::int64_t head, std::int64_t t) const {
    return static_cast<std::size_t>((token(sample, t) * shape.heads + head) * shape.head_size);
  }
  std::size_t log_sum(std::int64_t sample, std::int64_t head, std::int64_t t) const {
    return static_cast<std::size_t>((sample * shape.heads + head) * shape.sequence + t);
  }
  std::int64_t qkv_size() const { return 3 * out_size(); }
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

/// The scores of a query with the keys up to it.
Values scores_of(const Layout& layout, const Values& qkv, std::int64_t sample, std::int64_t head,
                 std::int64_t query) {
  const std::int64_t size = layout.shape.head_size;
  Values scores;
  for (std::int64_t key = 0; key <= query; ++key) {
    scores.push_back(dot_at(qkv, layout.qkv(0, sample, head, query), qkv,
                            layout.qkv(1, sample, head, key), size) /
                     std::sqrt(static_cast<double>(size)));
  }
  return scores;
}

double log_sum_of(const Values& scores) {
  const double maximum = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (const double score : scores) {
    sum += std::exp(score - maximum);
  }
  return maximum + std::log(sum);
}

struct Attended {
  Values out;
  Values log_sum;
};

Attended reference(const AttentionShape& shape, const Values& qkv) {
  const Layout layout(shape);
  Attended result{Values(static_cast<std::size_t>(layout.out_size())), {}};
  layout.for_each_query([&](std::int64_t sample, std::int64_t head, std::int64_t query) {
    const Values scores = scores_of(layout, qkv, sample, head, query);
    result.log_sum.push_back(log_sum_of(scores));
    for (std::int64_t key = 0; key <= query; ++key) {
      const double probability =
          std::exp(scores[static_cast<std::size_t>(key)] - result.log_sum.back()) *
          dropout_factor(shape, sample, head, query, key);
      add_at(result.out, layout.out(sample, head, query), probability, qkv,
             layout.qkv(2, sample, head, key), shape.head_size);
    }
  });
  return result;
}

/// The gradient by the chain rule, one probability at a time.
Values reference_gradient(const AttentionShape& shape, const Values& qkv, const Values& dout) {
  const Layout layout(shape);
  const std::int64_t size = shape.head_size;
  const double scale = 1 / std::sqrt(static_cast<double>(size));
  Values dqkv(qkv.size());
  layout.for_each_query([&](std::int64_t sample, std::int64_t head, std::int64_t query) {
    const Values scores = scores_of(layout, qkv, sample, head, query);
    const double log_sum = log_sum_of(scores);
    const std::size_t at_dout = layout.out(sample, head, query);
    Values probability(scores.size());
    Values dprobability(scores.size());
    for (std::size_t k = 0; k < scores.size(); ++k) {
      const auto key = static_cast<std::int64_t>(k);
      const double factor = dropout_factor(shape, sample, head, query, key);
      const std::size_t value = layout.qkv(2, sample, head, key);
      probability[k] = std::exp(scores[k] - log_sum);
      dprobability[k] = factor * dot_at(dout, at_dout, qkv, value, size);
      add_at(dqkv, value, factor * probability[k], dout, at_dout, size);
    }
    const double delta = dot(probability, dprobability);
    for (std::size_t k = 0; k < scores.size(); ++k) {
      const auto key = static_cast<std::int64_t>(k);
      const double dscore = scale * probability[k] * (dprobability[k] - delta);
      const std::size_t at_query = layout.qkv(0, sample, head, query);
      const std::size_t at_key = layout.qkv(1, sample, head, key);
      add_at(dqkv, at_query, dscore, qkv, at_key, size);
      add_at(dqkv, at_key, dscore, qkv, at_query, size);
    }
  });
  return dqkv;
}

Shape out_shape(const AttentionShape& s) { return {s.samples * s.sequence, s.heads * s.head_size}; }
Shape qkv_shape(const AttentionShape& s) {
  return {s.samples * s.sequence, 3 * s.heads * s.head_size};
}

AttentionForward forward_args(Stream& stream, const AttentionShape& shape, const Values& qkv) {
  return {.shape = shape,
          .qkv = tensor_of(stream, qkv_shape(shape), qkv),
          .out = poisoned(stream, out_shape(shape)),
          .log_sum = poisoned(stream, {shape.samples, shape.heads, shape.sequence})};
}

std::vector<Values> forward(Stream& stream, const AttentionShape& shape, const Values& qkv) {
  const AttentionForward args = forward_args(stream, shape, qkv);
  attention_forward(stream, args);
  return {values_of(stream, args.out), values_of(stream, args.log_sum)};
}

AttentionBackward backward_args(Stream& stream, const AttentionShape& shape, const Values& qkv,
                                const Values& dout) {
  const AttentionForward saved = forward_args(stream, shape, qkv);
  attention_forward(stream, saved);
  return {.shape = shape,
          .dout = tensor_of(stream, out_shape(shape), dout),
          .qkv = saved.qkv,
          .out = saved.out,
          .log_sum = saved.log_sum,
          .dqkv = poisoned(stream, qkv_shape(shape))};
}

std::vector<Values> backward(Stream& stream, const AttentionShape& shape, const Values& qkv,
                             const Values& dout) {
  const AttentionBackward args = backward_args(stream, shape, qkv, dout);
  attention_backward(stream, args);
  return {values_of(stream, args.dqkv)};
}

Values random_qkv(const AttentionShape& shape) {
  return random_values(Layout(shape).qkv_size(), 1);
}
Values random_dout(const AttentionShape& shape) {
  return random_values(Layout(shape).out_size(), 2);
}

/// The heads first .. first + count - 1 of [.., all heads, D].
Values heads_of(const Values& values, const AttentionShape& shape, std::int64_t first,
                std::int64_t count) {
  Values heads;
  for (auto at = values.begin(); at != values.end(); at += shape.heads * shape.head_size) {
    const auto begin = at + first * shape.head_size;
    heads.insert(heads.end(), begin, begin + count * shape.head_size);
  }
  return heads;
}

AttentionShape slice(AttentionShape shape, std::int64_t first, std::int64_t count) {
  shape.first_head += first;
  shape.heads = count;
  return shape;
}

std::int64_t workspace_peak(std::int64_t sequence) {
  const auto stream = make_stream({DeviceKind::cpu, 0}, {.threads = 2});
  const auto shape = shape_of(2, sequence, 2, 16, 0.1F);
  const auto zeros = [&](const Shape& of) {
    Tensor tensor(stream->memory(), of, DType::float32, MemoryLabel::saved_activations);
    std::fill_n(tensor.data<float>(), tensor.elements(), 0.0F);
    return tensor;
  };
  const Tensor qkv = zeros(qkv_shape(shape));
  const Tensor out = zeros(out_shape(shape));
  const Tensor log_sum = zeros({shape.samples, shape.heads, shape.sequence});
  attention_forward(*stream, {shape, qkv, out, log_sum});
  attention_backward(*stream,
                     {shape, zeros(out_shape(shape)), qkv, out, log_sum, zeros(qkv_shape(shape))});
  return stream->memory().account()->count(MemoryLabel::workspace).peak;
}

}  // namespace

TEST_CASE("attention_forward") {
  for (const AttentionShape& shape : shapes()) {
    CAPTURE(shape.samples, shape.sequence, shape.heads, shape.head_size, shape.dropout.probability);
    const Values qkv = random_qkv(shape);
    const Attended expected = reference(shape, qkv);
    conform([&](Stream& stream) { return forward(stream, shape, qkv); },
            {expected.out, expected.log_sum}, kForwardTolerance);
  }
}

TEST_CASE("the attention reference's gradient is that of its forward") {
  for (const float dropout : {0.0F, 0.3F}) {
    const auto shape = shape_of(2, 9, 2, 3, dropout, 1);
    const Values qkv = random_qkv(shape);
    const Values dout = random_dout(shape);
    const Values numeric = numeric_gradient(
        [&](const Values& at) { return dot(reference(shape, at).out, dout); }, qkv);
    CHECK(max_relative_error(reference_gradient(shape, qkv, dout), numeric) < 1e-8);
  }
}

TEST_CASE("attention_backward") {
  for (const AttentionShape& shape : shapes()) {
    CAPTURE(shape.samples, shape.sequence, shape.heads, shape.head_size, shape.dropout.probability);
    const Values qkv = random_qkv(shape);
    const Values dout = random_dout(shape);
    conform([&](Stream& stream) { return backward(stream, shape, qkv, dout); },
            {reference_gradient(shape, qkv, dout)}, kBackwardTolerance);
  }
}

TEST_CASE("attention keeps its accuracy where one score is far above the others") {
  // Scores of some hundreds: exp without the running maximum would overflow, and the probability of
  // most keys is zero in float32. Rounding in a score of 400 is an error of 2e-5 in a probability.
  const auto shape = shape_of(1, 150, 1, 16);
  Values qkv = random_qkv(shape);
  std::transform(qkv.begin(), qkv.end(), qkv.begin(), [](double x) { return 12 * x; });
  const Attended expected = reference(shape, qkv);
  REQUIRE(*std::max_element(expected.log_sum.begin(), expected.log_sum.end()) > 300);
  conform([&](Stream& stream) { return forward(stream, shape, qkv); },
          {expected.out, expected.log_sum}, 2e-4);
}

TEST_CASE("attention of some of the heads gives the bits of all at once") {
  // 36 heads are one range of keys each, 18 are several.
  for (const float dropout : {0.0F, 0.3F}) {
    for (const std::int64_t heads : {std::int64_t{2}, std::int64_t{36}}) {
      const auto whole = shape_of(1, 331, heads, 5, dropout, 1);
      const Values qkv = random_qkv(whole);
      const Values dout = random_dout(whole);
      for (DeviceUnderTest& device : devices_under_test()) {
        Stream& stream = *device.streams.back();
        const std::vector<Values> out = forward(stream, whole, qkv);
        const std::vector<Values> dqkv = backward(stream, whole, qkv, dout);
        for (const std::int64_t first : {std::int64_t{0}, heads / 2}) {
          const auto half = slice(whole, first, heads / 2);
          const auto part = [&](const Values& values) {
            return heads_of(values, whole, first, heads / 2);
          };
          const Values half_qkv = part(qkv);
          CHECK(same_bits({forward(stream, half, half_qkv)[0]}, {part(out[0])}));
          CHECK(same_bits(backward(stream, half, half_qkv, part(dout)), {part(dqkv[0])}));
        }
      }
    }
  }
}

TEST_CASE("attention's memory grows with the sequence, not with its square") {
  const std::int64_t at_512 = workspace_peak(512);
  CHECK(at_512 > 0);
  CHECK(workspace_peak(2048) <= 4 * at_512);
  CHECK(workspace_peak(2048) < 2048 * 2048 * 4);
}

TEST_CASE("attention refuses arguments that do not fit together") {
  const auto shape = shape_of(2, 5, 3, 4);
  const Values qkv = random_qkv(shape);
  const Values dout = random_dout(shape);
  const auto refuse_forward = [&](const std::string& text, const auto& spoil) {
    refuses(
        [&](Stream& stream) {
          AttentionForward args = forward_args(stream, shape, qkv);
          spoil(stream, args);
          attention_forward(stream, args);
        },
        "[attention_forward] " + text);
  };
  const auto refuse_backward = [&](const std::string& text, const auto& spoil) {
    refuses(
        [&](Stream& stream) {
          AttentionBackward args = backward_args(stream, shape, qkv, dout);
          spoil(stream, args);
          attention_backward(stream, args);
        },
        "[attention_backward] " + text);
  };
  refuse_forward("qkv is [10, 36]: it should be [10, 24]",
                 [](Stream&, AttentionForward& args) { args.shape.heads = 2; });
  refuse_forward("out is [10, 11]: it should be [10, 12]", [](Stream& s, AttentionForward& args) {
    args.out = poisoned(s, {10, 11});
  });
  refuse_forward("log_sum holds int32, not float32", [](Stream& s, AttentionForward& args) {
    args.log_sum = poisoned(s, {2, 3, 5}, DType::int32);
  });
  refuse_forward("2 samples of 0 tokens",
                 [](Stream&, AttentionForward& args) { args.shape.sequence = 0; });
  refuse_forward("the dropout probability is 1",
                 [](Stream&, AttentionForward& args) { args.shape.dropout.probability = 1; });
  refuse_forward("first_head is -1",
                 [](Stream&, AttentionForward& args) { args.shape.first_head = -1; });
  refuse_forward("a sample of 1000000003 heads over 5 tokens has more than 2^34 probabilities",
                 [](Stream&, AttentionForward& args) {
                   args.shape.dropout.probability = 0.5F;
                   args.shape.first_head = 1000000000;
                 });
  refuse_forward("out shares memory with qkv", [](Stream& s, AttentionForward& args) {
    args.qkv = poisoned(s, qkv_shape(args.shape));
    args.out = Tensor(args.qkv.buffer(), 0, out_shape(args.shape), DType::float32);
  });
  refuse_backward("dout is missing", [](Stream&, AttentionBackward& args) { args.dout = {}; });
  refuse_backward("log_sum is [2, 5, 3]: it should be [2, 3, 5]",
                  [](Stream& s, AttentionBackward& args) {
                    args.log_sum = poisoned(s, {2, 5, 3});
                  });
  refuse_backward("dqkv shares memory with qkv",
                  [](Stream&, AttentionBackward& args) { args.dqkv = args.qkv; });
}

}  // namespace stagecraft::testing
