#include "kernels/ops/tensor_hash.h"

#include <bit>

#include "tests/conformance/ops/reference.h"

namespace stagecraft::testing {
namespace {

using Hashes = std::vector<std::uint64_t>;

/// A part with `x.size()` elements of memory, which begin `shift` elements behind an aligned place.
struct Part {
  HashedRows rows;
  std::int64_t shift = 0;
};

std::int64_t memory_of(const HashedRows& rows) {
  return rows.rows * rows.columns == 0 ? 0 : (rows.rows - 1) * rows.stride + rows.columns;
}

/// Random bits, of NaN and infinity too.
std::vector<float> random_bits(std::int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) {
    value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
  }
  return values;
}

/// SplitMix64's finalizer, step by step in 128 bits.
std::uint64_t finalized(std::uint64_t x) {
  using Wide = unsigned __int128;
  const auto lower_half = [](Wide product) { return static_cast<std::uint64_t>(product); };
  x ^= x / (1ULL << 30);
  x = lower_half(Wide{13787848793156543929ULL} * x);
  x ^= x / (1ULL << 27);
  x = lower_half(Wide{10723151780598845931ULL} * x);
  return x ^ x / (1ULL << 31);
}

/// Element by element.
Hashes expected(const std::vector<Part>& parts, const std::vector<std::vector<float>>& values,
                std::int64_t hashes) {
  Hashes sums(static_cast<std::size_t>(hashes));
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const HashedRows& rows = parts[p].rows;
    for (std::int64_t row = 0; row < rows.rows; ++row) {
      for (std::int64_t column = 0; column < rows.columns; ++column) {
        const auto index =
            static_cast<std::uint64_t>(rows.first + row * rows.whole_stride + column);
        const float value = values[p].at(static_cast<std::size_t>(row * rows.stride + column));
        const std::uint64_t lower = index % (1ULL << 32) * (1ULL << 32);
        sums.at(static_cast<std::size_t>(rows.hash)) +=
            finalized((rows.key ^ finalized(index / (1ULL << 32))) + lower +
                      std::bit_cast<std::uint32_t>(value));
      }
    }
  }
  return sums;
}

Hashes hashed(Stream& stream, const std::vector<Part>& parts,
              const std::vector<std::vector<float>>& values, std::int64_t hashes) {
  TensorHashes args{.x = {}, .rows = {}, .out = poisoned(stream, {hashes, 2}, DType::int32)};
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const auto count = static_cast<std::int64_t>(values[p].size());
    const Tensor memory = poisoned(stream, {count + parts[p].shift});
    const Tensor x = memory.rows(parts[p].shift, memory.size(0));
    copy_from_host(stream, std::span<const float>(values[p]), x);
    args.x.push_back(x);
    args.rows.push_back(parts[p].rows);
  }
  tensor_hashes(stream, args);
  Hashes out(static_cast<std::size_t>(hashes));
  copy_to_host(stream, {args.out, std::as_writable_bytes(std::span(out))});
  return out;
}

/// On every stream of every device.
void conforms(const std::vector<Part>& parts, const std::vector<std::vector<float>>& values,
              const Hashes& hashes) {
  for (DeviceUnderTest& device : devices_under_test()) {
    INFO("device " << device.name);
    for (const auto& stream : device.streams) {
      CHECK(hashed(*stream, parts, values, static_cast<std::int64_t>(hashes.size())) == hashes);
    }
  }
}

}  // namespace

TEST_CASE("tensor_hashes are known numbers") {
  // Of a program in Python, whose integers have no bounds.
  constexpr std::uint64_t kKey = 0xfeedface12345678;
  const std::vector<Part> parts = {
      {{.key = kKey, .rows = 3, .columns = 2, .stride = 2, .first = 10, .whole_stride = 7}},
      {{.hash = 1,
        .key = kKey,
        .rows = 1,
        .columns = 4,
        .stride = 4,
        .first = (std::int64_t{1} << 32) - 2,
        .whole_stride = 4}}};
  conforms(parts, {{0.5, 1.5, 2.5, 3.5, 4.5, 5.5}, {0.5, 1.5, 2.5, 3.5}},
           {0x74c585800b172ce7, 0x20dbdc19f27b0eb9});
}

TEST_CASE("tensor_hashes of parts of every size, alignment and place, added up") {
  constexpr std::int64_t kLow = std::int64_t{1} << 32;  // elements that share a key
  std::vector<Part> parts;
  std::vector<std::vector<float>> values;
  std::mt19937 random(3);
  const auto add = [&](HashedRows rows, std::int64_t shift) {
    rows.hash = static_cast<std::int64_t>(parts.size() % 5);
    rows.key = random() * 0x9E3779B97F4A7C15U;
    values.push_back(random_bits(memory_of(rows), static_cast<unsigned>(parts.size())));
    parts.push_back({rows, shift});
  };
  for (const std::int64_t columns : {0, 1, 3, 4, 8, 100, 101, 16384, 40000}) {
    for (const std::int64_t rows : {0, 1, 2, 5}) {
      for (const std::int64_t gap : {0, 3, 4}) {
        for (const std::int64_t shift : {0, 1}) {
          add({.rows = rows,
               .columns = columns,
               .stride = columns + gap,
               .first = 17,
               .whole_stride = columns + 2 * gap},
              shift);
          add({.rows = rows,
               .columns = columns,
               .stride = columns + gap,
               .first = 3 * kLow - columns / 2 - 1,
               .whole_stride = columns + gap},
              shift);
        }
      }
    }
  }
  const Hashes all = expected(parts, values, 6);
  CHECK(all.back() == 0);  // no part is of it
  conforms(parts, values, all);
  conforms({}, {}, {0, 0});
}

TEST_CASE("tensor_hashes: one flipped bit of any element, and any two exchanged, show") {
  const std::vector<Part> parts = {
      {{.key = 5, .rows = 3, .columns = 11, .stride = 11, .first = 4, .whole_stride = 20}}};
  const std::vector<float> values = random_bits(33, 1);
  for (DeviceUnderTest& device : devices_under_test()) {
    Stream& stream = *device.streams.front();
    const std::uint64_t hash = hashed(stream, parts, {values}, 1).front();
    for (std::size_t i = 0; i < values.size(); ++i) {
      std::vector<float> changed = values;
      for (int bit = 0; bit < 32; ++bit) {
        changed[i] = std::bit_cast<float>(std::bit_cast<std::uint32_t>(values[i]) ^ (1U << bit));
        CHECK(hashed(stream, parts, {changed}, 1).front() != hash);
      }
      for (std::size_t j = 0; j < i; ++j) {
        std::vector<float> exchanged = values;
        std::swap(exchanged[i], exchanged[j]);
        CHECK(hashed(stream, parts, {exchanged}, 1).front() != hash);
      }
    }
  }
}

TEST_CASE("tensor_hashes refuses what does not fit") {
  const auto refuses_rows = [](const HashedRows& rows, const std::string& text) {
    refuses(
        [&](Stream& stream) {
          tensor_hashes(stream, {.x = {poisoned(stream, {6})},
                                 .rows = {rows},
                                 .out = poisoned(stream, {1, 2}, DType::int32)});
        },
        text);
  };
  refuses_rows({.rows = 2, .columns = 3, .stride = 4, .whole_stride = 4},
               "[tensor_hashes] x has 6 elements: its 2 rows of 3 need 7");
  refuses_rows({.hash = 1, .rows = 1, .columns = 1}, "a part of hash 1 of 1");
  refuses_rows({.rows = 1, .columns = 1, .first = -1}, "a negative number");
  refuses_rows({.rows = 1 << 16, .columns = 1 << 16}, "fewer than 2^32 elements");
  refuses(
      [](Stream& stream) {
        tensor_hashes(stream, {.x = {}, .rows = {}, .out = poisoned(stream, {1, 3}, DType::int32)});
      },
      "out is [1, 3]: it should be [1, 2]");
  refuses(
      [](Stream& stream) {
        tensor_hashes(stream, {.x = {poisoned(stream, {6})},
                               .rows = {},
                               .out = poisoned(stream, {1, 2}, DType::int32)});
      },
      "1 tensors, and rows of 0");
}

}  // namespace stagecraft::testing
