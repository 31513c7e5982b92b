#include "kernels/ops/attention.h"

#include <algorithm>
#include <array>
#include <set>

#include "kernels/backends/make_stream.h"
#include "tests/conformance/ops/attention_calls.h"

namespace stagecraft::testing {
namespace {

constexpr std::uint64_t kKey = 0x123456789ABCDEF0ULL;
constexpr std::uint32_t kStep = 3;
constexpr std::uint64_t kFirstSample = 0x100000005ULL;  // more than 32 bits
constexpr double kForwardTolerance = 5e-6;
constexpr double kBackwardTolerance = 2e-5;
constexpr PartTolerance kPartTolerance{.largest = 2e-5, .rms = 5e-6};

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
  const JoinedHeads heads(shape, zeros(qkv_shape(shape)));
  const JoinedHeads gradients(shape, zeros(qkv_shape(shape)));
  const Tensor out = zeros(out_shape(shape));
  const Tensor lse = zeros(lse_shape(shape));
  attention_forward(
      *stream, {.shape = shape, .q = heads.q, .k = heads.k, .v = heads.v, .out = out, .lse = lse});
  attention_backward(*stream, {.shape = shape,
                               .dout = zeros(out_shape(shape)),
                               .q = heads.q,
                               .k = heads.k,
                               .v = heads.v,
                               .out = out,
                               .lse = lse,
                               .dq = gradients.q,
                               .dk = gradients.k,
                               .dv = gradients.v});
  return stream->memory().account()->count(MemoryLabel::workspace).peak;
}

}  // namespace

TEST_CASE("attention_forward") {
  for (const AttentionShape& shape : shapes()) {
    CAPTURE(shape.samples, shape.sequence, shape.heads, shape.head_size, shape.dropout.probability);
    const Values qkv = random_qkv(shape);
    const Attended expected = attention_reference(shape, qkv);
    conform([&](Stream& stream) { return forward(stream, shape, qkv); },
            {expected.out, expected.lse}, kForwardTolerance);
  }
}

TEST_CASE("the attention reference's gradient is that of its forward") {
  for (const float dropout : {0.0F, 0.3F}) {
    const auto shape = shape_of(2, 9, 2, 3, dropout, 1);
    const Values qkv = random_qkv(shape);
    const Values dout = random_dout(shape);
    const Values numeric = numeric_gradient(
        [&](const Values& at) { return dot(attention_reference(shape, at).out, dout); }, qkv);
    CHECK(max_relative_error(attention_reference_gradient(shape, qkv, dout), numeric) < 1e-8);
  }
}

TEST_CASE("attention_backward") {
  for (const AttentionShape& shape : shapes()) {
    CAPTURE(shape.samples, shape.sequence, shape.heads, shape.head_size, shape.dropout.probability);
    const Values qkv = random_qkv(shape);
    const Values dout = random_dout(shape);
    conform([&](Stream& stream) { return backward(stream, shape, qkv, dout); },
            {attention_reference_gradient(shape, qkv, dout)}, kBackwardTolerance);
  }
}

TEST_CASE("attention_backward: queries, keys and values each by itself") {
  for (const AttentionShape& shape : shapes()) {
    CAPTURE(shape.samples, shape.sequence, shape.heads, shape.head_size, shape.dropout.probability);
    const Values qkv = random_qkv(shape);
    const Values dout = random_dout(shape);
    const Values expected = attention_reference_gradient(shape, qkv, dout);
    for (DeviceUnderTest& device : devices_under_test()) {
      INFO("device " << device.name);
      check_parts(shape, backward(*device.streams.back(), shape, qkv, dout).front(), expected,
                  kPartTolerance);
    }
  }
}

TEST_CASE("attention_backward: 200 repeats have one hash") {
  const auto shape = shape_of(2, 130, 3, 64, 0.3F);
  const Values qkv = random_qkv(shape);
  const Values dout = random_dout(shape);
  for (DeviceUnderTest& device : devices_under_test()) {
    INFO("device " << device.name);
    std::set<std::size_t> hashes;
    for (const auto& stream : device.streams) {
      const BackwardCall call = backward_call(*stream, shape, qkv, dout);
      for (int repeat = 0; repeat < 200; ++repeat) {
        attention_backward(*stream, call.args);
        hashes.insert(hash_of(values_of(*stream, call.dqkv)));
      }
    }
    CHECK(hashes.size() == 1);
  }
}

TEST_CASE("attention keeps its accuracy where one score is far above the others") {
  // Scores of some hundreds: exp without the running maximum would overflow, and the probability of
  // most keys is zero in float32. Rounding in a score of 400 is an error of 2e-5 in a probability.
  const auto shape = shape_of(1, 150, 1, 16);
  Values qkv = random_qkv(shape);
  std::transform(qkv.begin(), qkv.end(), qkv.begin(), [](double x) { return 12 * x; });
  const Attended expected = attention_reference(shape, qkv);
  REQUIRE(*std::max_element(expected.lse.begin(), expected.lse.end()) > 300);
  conform([&](Stream& stream) { return forward(stream, shape, qkv); }, {expected.out, expected.lse},
          2e-4);
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
          AttentionBackward args = backward_call(stream, shape, qkv, dout).args;
          spoil(stream, args);
          attention_backward(stream, args);
        },
        "[attention_backward] " + text);
  };
  refuse_forward("q is [10, 12]: it should be [10, 8]",
                 [](Stream&, AttentionForward& args) { args.shape.heads = 2; });
  refuse_forward("out is [10, 11]: it should be [10, 12]", [](Stream& s, AttentionForward& args) {
    args.out = poisoned(s, {10, 11});
  });
  refuse_forward("lse holds int32, not float32", [](Stream& s, AttentionForward& args) {
    args.lse = poisoned(s, {2, 3, 5}, DType::int32);
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
  refuse_forward("out shares memory with k",
                 [](Stream&, AttentionForward& args) { args.out = args.k; });
  refuse_forward("2 heads of keys do not divide 3 heads of queries",
                 [](Stream&, AttentionForward& args) { args.shape.kv_heads = 2; });
  refuse_forward("4 positions are fewer than the 5 tokens",
                 [](Stream&, AttentionForward& args) { args.shape.positions = 4; });
  refuse_forward("keys is [2, 9]: it should be [2, 10]", [](Stream& s, AttentionForward& args) {
    args.keys = poisoned(s, {2, 9}, DType::int32);
  });
  refuse_forward("both keys and lengths are given", [](Stream& s, AttentionForward& args) {
    args.keys = poisoned(s, {2, 10}, DType::int32);
    args.lengths = poisoned(s, {2}, DType::int32);
  });
  refuse_backward("dout is missing", [](Stream&, AttentionBackward& args) { args.dout = {}; });
  refuse_backward("lse is [2, 5, 3]: it should be [2, 3, 5]",
                  [](Stream& s, AttentionBackward& args) {
                    args.lse = poisoned(s, {2, 5, 3});
                  });
  refuse_backward("dq shares memory with q",
                  [](Stream&, AttentionBackward& args) { args.dq = args.q; });
  refuse_backward("dv shares memory with dk",
                  [](Stream&, AttentionBackward& args) { args.dv = args.dk; });
}

}  // namespace stagecraft::testing
