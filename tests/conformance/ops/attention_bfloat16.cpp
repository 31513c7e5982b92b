#include <array>
#include <set>

#include "kernels/ops/attention.h"
#include "tests/conformance/ops/attention_reference.h"
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

/// The arguments of a backward pass, after its forward.
AttentionBackward backward_args(Stream& stream, const AttentionShape& shape, DType dtype) {
  const std::int64_t rows = shape.samples * shape.sequence;
  const std::int64_t width = shape.heads * shape.head_size;
  const AttentionForward forward = {
      .shape = shape,
      .qkv = activation(stream, {rows, 3 * width}, 1, dtype),
      .out = poisoned(stream, {rows, width}, dtype),
      .lse = poisoned(stream, {shape.samples, shape.heads, shape.sequence})};
  attention_forward(stream, forward);
  return {.shape = shape,
          .dout = activation(stream, {rows, width}, 2, dtype),
          .qkv = forward.qkv,
          .out = forward.out,
          .lse = forward.lse,
          .dqkv = poisoned(stream, {rows, 3 * width}, dtype)};
}

std::vector<Values> attend(Stream& stream, const AttentionShape& shape, DType dtype) {
  const AttentionBackward args = backward_args(stream, shape, dtype);
  attention_backward(stream, args);
  return {values_of(stream, args.out), values_of(stream, args.lse), values_of(stream, args.dqkv)};
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

TEST_CASE("bfloat16: 200 repeats of attention's backward pass have one hash") {
  AttentionShape shape = shape_of(2, 130, 3, 64);
  shape.dropout = {.probability = 0.25F, .key = 9, .step = 1, .first_sample = 8};
  for_each_device([&](DeviceUnderTest& device) {
    std::set<std::size_t> hashes;
    for (const auto& stream : device.streams) {
      const AttentionBackward args = backward_args(*stream, shape, DType::bfloat16);
      for (int repeat = 0; repeat < 200; ++repeat) {
        attention_backward(*stream, args);
        hashes.insert(hash_of(values_of(*stream, args.dqkv)));
      }
    }
    CHECK(hashes.size() == 1);
  });
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
      const AttentionForward forward = {
          .shape = with,
          .qkv = tensor_of(stream, {rows, 3 * width}, qkv, DType::bfloat16),
          .out = poisoned(stream, {rows, width}, DType::bfloat16),
          .lse = poisoned(stream, {with.samples, with.heads, with.sequence})};
      attention_forward(stream, forward);
      const AttentionBackward backward = {
          .shape = with,
          .dout = tensor_of(stream, {rows, width}, ones, DType::bfloat16),
          .qkv = forward.qkv,
          .out = forward.out,
          .lse = forward.lse,
          .dqkv = poisoned(stream, {rows, 3 * width}, DType::bfloat16)};
      attention_backward(stream, backward);
      return std::vector<Values>{values_of(stream, forward.out), values_of(stream, backward.dqkv)};
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
