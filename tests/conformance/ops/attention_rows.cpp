// Attention over key ranges: padding, documents, both directions, rows without keys; fewer heads of
// keys; column ranges of wider rows.
#include <algorithm>
#include <set>

#include "tests/conformance/ops/attention_calls.h"
#include "tests/conformance/ops/bfloat16.h"

namespace stagecraft::testing {
namespace {

constexpr double kForwardTolerance = 5e-6;
constexpr double kBackwardTolerance = 2e-5;

struct RowCase {
  const char* name;
  AttentionShape shape;
  KeyRanges ranges;
};

/// Any ranges, among them empty ones, alone and for 70 rows on end.
KeyRanges any_ranges(const AttentionShape& shape) {
  const std::int64_t rows = shape.samples * shape.sequence;
  const Values drawn = random_values(2 * rows, 5);
  KeyRanges ranges;
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i) % rows;
    const double at = std::floor(std::abs(drawn[i]) * static_cast<double>(shape.sequence) / 2);
    const bool none = row % 11 == 3 || (row >= 60 && row < 130);
    ranges.keys.push_back(none ? 0 : std::min(at, static_cast<double>(shape.sequence)));
  }
  return ranges;
}

/// `lengths` as `keys`.
KeyRanges spelled_out(const AttentionShape& shape, const Values& lengths) {
  const std::int64_t rows = shape.samples * shape.sequence;
  KeyRanges ranges;
  ranges.keys.resize(static_cast<std::size_t>(2 * rows));
  for (std::int64_t row = 0; row < rows; ++row) {
    const double length = lengths.at(static_cast<std::size_t>(row / shape.sequence));
    ranges.keys[static_cast<std::size_t>(rows + row)] =
        static_cast<double>(row % shape.sequence) < length ? length : 0;
  }
  return ranges;
}

AttentionShape shape_of(std::int64_t samples, std::int64_t sequence, std::int64_t heads,
                        std::int64_t head_size, bool causal) {
  return {.samples = samples,
          .sequence = sequence,
          .heads = heads,
          .head_size = head_size,
          .causal = causal,
          .dropout = {}};
}

void add_cases(bool causal, std::vector<RowCase>& all) {
  const auto small = shape_of(2, 7, 2, 5, causal);
  const auto few_heads = shape_of(2, 203, 2, 12, causal);
  const auto many_heads = shape_of(3, 130, 12, 3, causal);  // a head is one range of keys
  const auto wide = shape_of(2, 150, 1, 72, causal);
  auto grouped = shape_of(2, 140, 6, 8, causal);
  grouped.kv_heads = 2;
  all.push_back({"all keys", small, {}});
  all.push_back({"all keys", few_heads, {}});
  all.push_back({"all keys", many_heads, {}});
  all.push_back({"padding", small, {.lengths = {3, 1}}});
  all.push_back({"padding", few_heads, {.lengths = {203, 65}}});
  all.push_back({"padding", many_heads, {.lengths = {1, 129, 64}}});
  all.push_back({"documents", small, documents(small, {1, 3})});
  all.push_back({"documents", few_heads, documents(few_heads, {70, 5, 64, 100})});
  all.push_back({"documents", many_heads, documents(many_heads, {50, 70})});
  all.push_back({"documents", wide, documents(wide, {33, 90})});
  all.push_back({"any ranges", few_heads, any_ranges(few_heads)});
  all.push_back({"any ranges", many_heads, any_ranges(many_heads)});
  all.push_back({"shared keys", grouped, {}});
  all.push_back({"shared keys of documents", grouped, documents(grouped, {41, 80})});
}

std::vector<RowCase> cases() {
  std::vector<RowCase> all;
  add_cases(true, all);
  add_cases(false, all);
  for (std::size_t i = 0, plain = all.size(); i < plain; ++i) {
    RowCase dropped = all[i];
    dropped.shape.dropout = {
        .probability = 0.3F, .key = 77, .step = 3, .first_sample = 0x100000005ULL};
    dropped.shape.first_head = 1;
    dropped.shape.positions = dropped.shape.sequence + 3;
    all.push_back(dropped);
  }
  return all;
}

std::vector<Values> finite_forward(Stream& stream, const RowCase& with, const Values& qkv) {
  const std::vector<Values> computed = forward(stream, with.shape, qkv, with.ranges);
  return {computed[0], finite(computed[1])};
}

/// Columns of a wider tensor of poison: `left` before them, `right` behind them.
struct Wide {
  Wide(Stream& stream, const Shape& of, std::int64_t left_columns, std::int64_t right_columns,
       DType dtype)
      : shape(of), left(left_columns) {
    whole = poisoned(stream, {shape[0], left + shape[1] + right_columns}, dtype);
    columns = whole.columns(left, left + shape[1]);
  }
  void fill(Stream& stream, const Values& values) {
    Values all(static_cast<std::size_t>(whole.elements()));
    for (std::size_t i = 0; i < values.size(); ++i) {
      all[at(i)] = values[i];
    }
    whole = tensor_of(stream, whole.shape(), all, whole.dtype());
    columns = whole.columns(left, left + shape[1]);
  }
  /// What lies in the columns; all else is still poison.
  Values read(Stream& stream) const {
    Values all = values_of(stream, whole);
    Values inside(static_cast<std::size_t>(elements_of(shape)));
    for (std::size_t i = 0; i < inside.size(); ++i) {
      inside[i] = all[at(i)];
      all[at(i)] = std::numeric_limits<double>::quiet_NaN();
    }
    CHECK(std::all_of(all.begin(), all.end(), [](double x) { return std::isnan(x); }));
    return inside;
  }
  std::size_t at(std::size_t i) const {
    const auto width = static_cast<std::size_t>(shape[1]);
    return i / width * static_cast<std::size_t>(whole.size(1)) + static_cast<std::size_t>(left) +
           i % width;
  }
  Shape shape;
  std::int64_t left;
  Tensor whole;
  Tensor columns;
};

/// out, lse, dq, dk, dv of tensors that begin `offset` columns within rows that are longer.
std::vector<Values> attend_within(Stream& stream, const AttentionShape& shape,
                                  const std::vector<Values>& qkv, const Values& dout,
                                  std::int64_t offset, DType dtype) {
  const Shape queries = out_shape(shape);
  const Shape keys = {queries[0], shape.key_heads() * shape.head_size};
  const auto wide = [&](const Shape& of) { return Wide(stream, of, offset, 2 * offset, dtype); };
  Wide q = wide(queries);
  Wide k = wide(keys);
  Wide v = wide(keys);
  Wide d = wide(queries);
  q.fill(stream, qkv[0]);
  k.fill(stream, qkv[1]);
  v.fill(stream, qkv[2]);
  d.fill(stream, dout);
  const Wide out = wide(queries);
  const Wide dq = wide(queries);
  const Wide dk = wide(keys);
  const Wide dv = wide(keys);
  const Tensor lse = poisoned(stream, lse_shape(shape));
  attention_forward(stream, {.shape = shape,
                             .q = q.columns,
                             .k = k.columns,
                             .v = v.columns,
                             .out = out.columns,
                             .lse = lse});
  attention_backward(stream, {.shape = shape,
                              .dout = d.columns,
                              .q = q.columns,
                              .k = k.columns,
                              .v = v.columns,
                              .out = out.columns,
                              .lse = lse,
                              .dq = dq.columns,
                              .dk = dk.columns,
                              .dv = dv.columns});
  return {out.read(stream), values_of(stream, lse), dq.read(stream), dk.read(stream),
          dv.read(stream)};
}

}  // namespace

TEST_CASE("attention_forward over the keys that rows have") {
  for (const RowCase& with : cases()) {
    CAPTURE(with.name, with.shape.sequence, with.shape.heads, with.shape.causal,
            with.shape.dropout.probability);
    const Values qkv = random_qkv(with.shape);
    const Attended expected = attention_reference(with.shape, qkv, with.ranges);
    conform([&](Stream& stream) { return finite_forward(stream, with, qkv); },
            {expected.out, finite(expected.lse)}, kForwardTolerance);
  }
}

TEST_CASE("attention_backward over the keys that rows have") {
  for (const RowCase& with : cases()) {
    CAPTURE(with.name, with.shape.sequence, with.shape.heads, with.shape.causal,
            with.shape.dropout.probability);
    const Values qkv = random_qkv(with.shape);
    const Values dout = random_dout(with.shape);
    conform([&](Stream& stream) { return backward(stream, with.shape, qkv, dout, with.ranges); },
            {attention_reference_gradient(with.shape, qkv, dout, with.ranges)}, kBackwardTolerance);
  }
}

TEST_CASE("the attention reference's gradient over key ranges is that of its forward") {
  auto shape = shape_of(2, 9, 4, 3, false);
  shape.kv_heads = 2;
  const KeyRanges ranges = documents(shape, {4, 2});
  const Values qkv = random_qkv(shape);
  const Values dout = random_dout(shape);
  const Values numeric = numeric_gradient(
      [&](const Values& at) { return dot(attention_reference(shape, at, ranges).out, dout); }, qkv);
  CHECK(max_relative_error(attention_reference_gradient(shape, qkv, dout, ranges), numeric) < 1e-8);
}

TEST_CASE("attention: lengths have the bits of the same keys spelled out") {
  for (const bool causal : {true, false}) {
    const auto shape = shape_of(3, 150, 2, 12, causal);
    const Values lengths = {150, 1, 67};
    const Values qkv = random_qkv(shape);
    const Values dout = random_dout(shape);
    const KeyRanges keys = spelled_out(shape, lengths);
    for (DeviceUnderTest& device : devices_under_test()) {
      Stream& stream = *device.streams.back();
      CHECK(same_bits(forward(stream, shape, qkv, {.lengths = lengths}),
                      forward(stream, shape, qkv, keys)));
      CHECK(same_bits(backward(stream, shape, qkv, dout, {.lengths = lengths}),
                      backward(stream, shape, qkv, dout, keys)));
    }
  }
}

TEST_CASE("attention: a row without keys is zero and takes no gradient") {
  const auto shape = shape_of(1, 70, 2, 5, false);
  const KeyRanges none = {.keys = Values(140, 0.0)};
  for (DeviceUnderTest& device : devices_under_test()) {
    Stream& stream = *device.streams.back();
    const std::vector<Values> computed = forward(stream, shape, random_qkv(shape), none);
    CHECK(computed[0] == Values(computed[0].size(), 0.0));
    CHECK(computed[1] == Values(computed[1].size(), -std::numeric_limits<double>::infinity()));
    const Values dqkv = backward(stream, shape, random_qkv(shape), random_dout(shape), none)[0];
    CHECK(dqkv == Values(dqkv.size(), 0.0));
  }
}

TEST_CASE("attention: padding to another T changes no mask") {
  auto longer = shape_of(1, 96, 2, 8, false);
  longer.dropout = {.probability = 0.3F, .key = 4, .step = 2, .first_sample = 6};
  longer.positions = 128;
  auto shorter = longer;
  shorter.sequence = 70;
  const Values qkv = random_qkv(longer);
  const Values cut(qkv.begin(), qkv.begin() + elements_of(qkv_shape(shorter)));
  for (DeviceUnderTest& device : devices_under_test()) {
    Stream& stream = *device.streams.back();
    Values out = forward(stream, longer, qkv, {.lengths = {70}})[0];
    out.resize(static_cast<std::size_t>(elements_of(out_shape(shorter))));
    CHECK(max_relative_error(out, forward(stream, shorter, cut)[0]) <= kForwardTolerance);
  }
}

TEST_CASE("attention: documents in a row are the documents alone") {
  const auto shape = shape_of(1, 150, 2, 8, true);
  const Values qkv = random_qkv(shape);
  const KeyRanges ranges = documents(shape, {80, 70});
  const auto rows = [](const Values& values, std::int64_t width, std::int64_t begin,
                       std::int64_t end) {
    return Values(values.begin() + begin * width, values.begin() + end * width);
  };
  for (DeviceUnderTest& device : devices_under_test()) {
    Stream& stream = *device.streams.back();
    const Values out = forward(stream, shape, qkv, ranges)[0];
    for (const auto& [begin, end] : {std::pair{0, 80}, {80, 150}}) {
      auto alone = shape;
      alone.sequence = end - begin;
      CHECK(max_relative_error(
                rows(out, shape.heads * shape.head_size, begin, end),
                forward(stream, alone, rows(qkv, joined_width(shape), begin, end))[0]) <=
            kForwardTolerance);
    }
  }
}

TEST_CASE("attention of column ranges has the bits of contiguous tensors") {
  auto grouped = shape_of(2, 75, 4, 8, true);
  grouped.kv_heads = 2;
  for (const auto& shape : {shape_of(2, 67, 3, 5, true), shape_of(2, 67, 2, 8, false), grouped}) {
    const Shape keys = {2 * shape.sequence, shape.key_heads() * shape.head_size};
    const std::vector<Values> qkv = {random_dout(shape), random_values(elements_of(keys), 7),
                                     random_values(elements_of(keys), 8)};
    const Values dout = random_values(elements_of(out_shape(shape)), 9);
    for (DeviceUnderTest& device : devices_under_test()) {
      Stream& stream = *device.streams.back();
      const auto contiguous = attend_within(stream, shape, qkv, dout, 0, DType::float32);
      for (const std::int64_t offset : {1, 3, 8}) {
        CHECK(
            same_bits(attend_within(stream, shape, qkv, dout, offset, DType::float32), contiguous));
      }
    }
  }
}

TEST_CASE("bfloat16: attention of column ranges") {
  for (const bool causal : {true, false}) {
    const auto shape = shape_of(2, 67, 2, 64, causal);
    const std::vector<Values> qkv = {drawn(out_shape(shape), 6), drawn(out_shape(shape), 7),
                                     drawn(out_shape(shape), 8)};
    const Values dout = drawn(out_shape(shape), 9);
    for (DeviceUnderTest& device : devices_under_test()) {
      Stream& stream = *device.streams.back();
      if (!without_bfloat16(stream).empty()) {
        continue;
      }
      const auto within = [&](std::int64_t offset) {
        return attend_within(stream, shape, qkv, dout, offset, DType::bfloat16);
      };
      const std::vector<Values> contiguous = within(0);
      CHECK(same_bits(within(8), contiguous));
      // Rows that do not lie on 16 bytes may take another kernel.
      const std::vector<Values> unaligned = within(3);
      for (std::size_t i = 0; i < contiguous.size(); ++i) {
        CHECK(max_relative_error(unaligned[i], contiguous[i]) <= kTwice);
      }
    }
  }
}

TEST_CASE("attention_backward over documents: 200 repeats have one hash") {
  auto shape = shape_of(2, 130, 3, 64, true);
  shape.dropout = {.probability = 0.3F, .key = 9, .step = 1, .first_sample = 8};
  const Values qkv = random_qkv(shape);
  const Values dout = random_dout(shape);
  for (DeviceUnderTest& device : devices_under_test()) {
    INFO("device " << device.name);
    std::set<std::size_t> hashes;
    for (const auto& stream : device.streams) {
      const BackwardCall call =
          backward_call(*stream, shape, qkv, dout, documents(shape, {50, 30, 90}));
      for (int repeat = 0; repeat < 200; ++repeat) {
        attention_backward(*stream, call.args);
        hashes.insert(hash_of(values_of(*stream, call.dqkv)));
      }
    }
    CHECK(hashes.size() == 1);
  }
}

}  // namespace stagecraft::testing
