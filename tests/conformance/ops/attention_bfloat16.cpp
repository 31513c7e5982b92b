#include <array>
#include <set>

#include "kernels/ops/attention.h"
#include "tests/conformance/ops/attention_calls.h"
#include "tests/conformance/ops/bfloat16.h"

namespace stagecraft::testing {

namespace {

constexpr PartTolerance kPartTolerance{.largest = kTwice, .rms = 1.5 / 256};

/// Heads of a multiple of 8 numbers and others: two ways to compute them on CUDA.
const std::vector<std::array<std::int64_t, 4>> kShapes{{1, 1, 1, 1},     {2, 7, 3, 12},
                                                       {2, 33, 2, 64},   {1, 130, 3, 40},
                                                       {2, 200, 2, 128}, {1, 65, 2, 256}};

AttentionShape shape_of(std::int64_t samples, std::int64_t sequence, std::int64_t heads,
                        std::int64_t size) {
  AttentionShape shape;
  shape.samples = samples;
  shape.sequence = sequence;
  shape.heads = heads;
  shape.head_size = size;
  return shape;
}

/// On numbers that bfloat16 can hold.
BackwardCall drawn_call(Stream& stream, const AttentionShape& shape, DType dtype,
                        const KeyRanges& ranges = {}) {
  return backward_call(stream, shape, drawn(qkv_shape(shape), 1), drawn(out_shape(shape), 2),
                       ranges, dtype);
}

std::vector<Values> attend(Stream& stream, const AttentionShape& shape, DType dtype,
                           const KeyRanges& ranges = {}) {
  const BackwardCall call = drawn_call(stream, shape, dtype, ranges);
  attention_backward(stream, call.args);
  return {values_of(stream, call.args.out), finite(values_of(stream, call.args.lse)),
          values_of(stream, call.dqkv)};
}

/// Calls f for every device that computes in bfloat16.
template <typename F>
void for_each_device(F&& f) {
  for (DeviceUnderTest& device : devices_under_test()) {
    if (without_bfloat16(*device.streams.front()).empty()) {
      INFO("device " << device.name);
      f(device);
    }
  }
}

}  // namespace

TEST_CASE("bfloat16: attention") {
  for (const auto& [samples, sequence, heads, size] : kShapes) {
    CAPTURE(samples, sequence, heads, size);
    const AttentionShape shape = shape_of(samples, sequence, heads, size);
    const auto attention = [&](Stream& stream, DType dtype) {
      return attend(stream, shape, dtype);
    };
    conform_in_bfloat16(attention, {kTwice, 1e-4, kTwice});
  }
}

TEST_CASE("bfloat16: attention's gradients of queries, keys and values each by itself") {
  const auto cpu = make_stream({}, {.threads = 2});
  for (const auto& [samples, sequence, heads, size] : kShapes) {
    CAPTURE(samples, sequence, heads, size);
    const AttentionShape shape = shape_of(samples, sequence, heads, size);
    const Values expected = attend(*cpu, shape, DType::float32).back();
    for_each_device([&](DeviceUnderTest& device) {
      const Values dqkv = attend(*device.streams.back(), shape, DType::bfloat16).back();
      check_parts(shape, dqkv, expected, kPartTolerance);
    });
  }
}

TEST_CASE("bfloat16: attention over the keys that rows have") {
  for (const std::int64_t size : {64, 128, 12}) {
    for (const bool causal : {true, false}) {
      AttentionShape shape = shape_of(2, 130, 4, size);
      shape.causal = causal;
      AttentionShape grouped = shape;
      grouped.kv_heads = 2;
      for (const auto& [with, ranges] : std::vector<std::pair<AttentionShape, KeyRanges>>{
               {shape, {}},
               {shape, {.lengths = {130, 65}}},
               {shape, {.lengths = {1, 2}}},
               {shape, documents(shape, {70, 5, 100})},
               {grouped, {}},
               {grouped, {.lengths = {33, 129}}}}) {
        CAPTURE(size, causal, with.kv_heads, ranges.lengths, ranges.keys.size());
        const auto attention = [&shape = with, &ranges = ranges](Stream& stream, DType dtype) {
          return attend(stream, shape, dtype, ranges);
        };
        conform_in_bfloat16(attention, {kTwice, 1e-4, kTwice});
      }
    }
  }
}

TEST_CASE(
    "bfloat16: lengths, all keys and shared keys take the library's attention as causal does") {
  const AttentionShape causal = shape_of(2, 64, 4, 64);
  AttentionShape other = causal;
  other.causal = false;
  other.kv_heads = 2;
  for_each_device([&](DeviceUnderTest& device) {
    Stream& stream = *device.streams.front();
    const auto library_calls = [&](const AttentionShape& shape, const KeyRanges& ranges) {
      const StreamUse before = stream.use();
      const BackwardCall call = drawn_call(stream, shape, DType::bfloat16, ranges);
      attention_backward(stream, call.args);
      const StreamUse after = stream.use();
      return std::pair(after.library_attention_forwards - before.library_attention_forwards,
                       after.library_attention_backwards - before.library_attention_backwards);
    };
    const auto plain = library_calls(causal, {});
    CHECK(library_calls(causal, {.lengths = {64, 3}}) == plain);
    CHECK(library_calls(other, {}) == plain);
    CHECK(library_calls(other, {.lengths = {64, 3}}) == plain);
    CHECK(library_calls(causal, documents(causal, {30, 50})) == std::pair(0L, 0L));
  });
}

TEST_CASE("bfloat16: 200 repeats of attention's backward pass have one hash") {
  AttentionShape causal = shape_of(2, 130, 3, 64);
  causal.dropout = {.probability = 0.25F, .key = 9, .step = 1, .first_sample = 8};
  AttentionShape all_keys = causal;
  all_keys.causal = false;
  for (const auto& [shape, ranges] : std::vector<std::pair<AttentionShape, KeyRanges>>{
           {causal, {}}, {all_keys, {.lengths = {130, 70}}}, {causal, documents(causal, {50})}}) {
    for_each_device([&shape = shape, &ranges = ranges](DeviceUnderTest& device) {
      std::set<std::size_t> hashes;
      for (const auto& stream : device.streams) {
        const BackwardCall call = drawn_call(*stream, shape, DType::bfloat16, ranges);
        for (int repeat = 0; repeat < 200; ++repeat) {
          attention_backward(*stream, call.args);
          hashes.insert(hash_of(values_of(*stream, call.dqkv)));
        }
      }
      CHECK(hashes.size() == 1);
    });
  }
}

TEST_CASE(
    "bfloat16: attention drops as many probabilities as it should, alike in both directions") {
  // With equal scores and values of one, a row of `out` is the share that was kept, times 1 / (1 -
  // p). The gradient of the values, for a gradient of one, is the same share by columns.
  AttentionShape shape;
  shape.samples = 4;
  shape.sequence = 128;
  shape.heads = 4;
  shape.head_size = 64;
  shape.dropout = {.probability = 0.25F, .key = 9, .step = 1, .first_sample = 8};
  const std::int64_t rows = shape.samples * shape.sequence;
  const std::int64_t width = shape.heads * shape.head_size;
  Values qkv(static_cast<std::size_t>(rows * 3 * width), 0.0);
  for (std::size_t i = 0; i < qkv.size(); ++i) {
    qkv[i] = i % (3 * width) >= static_cast<std::size_t>(2 * width) ? 1 : 0;
  }
  const Values ones(static_cast<std::size_t>(rows * width), 1.0);
  for (DeviceUnderTest& device : devices_under_test()) {
    Stream& stream = *device.streams.front();
    if (!without_bfloat16(stream).empty()) {
      continue;
    }
    const auto run = [&](const AttentionShape& with) {
      const BackwardCall call = backward_call(stream, with, qkv, ones, {}, DType::bfloat16);
      attention_backward(stream, call.args);
      return std::vector<Values>{values_of(stream, call.args.out), values_of(stream, call.dqkv)};
    };
    const std::vector<Values> dropped = run(shape);
    double kept = 0;
    double returned = 0;
    for (const double share : dropped[0]) {
      kept += share;
    }
    for (std::size_t i = 0; i < dropped[1].size(); ++i) {
      returned += i % (3 * width) >= static_cast<std::size_t>(2 * width) ? dropped[1][i] : 0;
    }
    const auto all = static_cast<double>(ones.size());
    CHECK(kept / all == Approx(1).margin(0.02));
    CHECK(returned == Approx(kept).epsilon(0.005));
    CHECK(same_bits(run(shape), dropped));
    AttentionShape later = shape;
    later.dropout.step = 2;
    CHECK_FALSE(same_bits(run(later), dropped));
  }
}

}  // namespace stagecraft::testing
