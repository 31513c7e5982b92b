#include "kernels/cpu/ops/attention_keys.h"

#include <array>
#include <limits>

namespace stagecraft::cpu {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

/// Scores above the diagonal become -infinity.
void mask_future(const KeyBlock& block, float* scores) {
  for (std::int64_t key = 0; key < block.count; ++key) {
    std::fill_n(scores + key * kQueryBlock + block.lane, key, kNever);
  }
}

}  // namespace

AttendedKeys::AttendedKeys(const AttentionShape& shape, const Tensor& keys, const Tensor& lengths,
                           std::int64_t sample)
    : sequence_(shape.sequence), causal_(shape.causal) {
  if (!keys.empty()) {
    first_ = keys.data<std::int32_t>() + sample * sequence_;
    end_ = first_ + shape.samples * sequence_;
  }
  if (!lengths.empty()) {
    length_ = lengths.data<std::int32_t>() + sample;
  }
}

KeyRange AttendedKeys::of(std::int64_t query) const {
  KeyRange range{0, causal_ ? query + 1 : sequence_};
  if (first_ != nullptr) {
    range.first = std::max<std::int64_t>(0, first_[query]);
    range.end = std::min<std::int64_t>(range.end, end_[query]);
  }
  if (length_ != nullptr) {
    range.end = query < *length_ ? std::min<std::int64_t>(range.end, *length_) : 0;
  }
  return range.first < range.end ? range : KeyRange{};
}

KeyRange AttendedKeys::of(const QueryBlock& queries) const {
  if (!given()) {
    return {0, causal_ ? queries.first + queries.count : sequence_};
  }
  KeyRange all{sequence_, 0};
  for (std::int64_t query = queries.first; query < queries.first + queries.count; ++query) {
    const KeyRange range = of(query);
    all.first = range.end == 0 ? all.first : std::min(all.first, range.first);
    all.end = std::max(all.end, range.end);
  }
  return all.end == 0 ? KeyRange{} : KeyRange{all.first / kKeyBlock * kKeyBlock, all.end};
}

void AttendedKeys::mask(const QueryBlock& queries, const KeyBlock& block, float* scores) const {
  if (block.on_diagonal) {
    mask_future(block, scores);
  }
  if (given()) {
    mask_ranges(queries, block, scores);
  }
}

void AttendedKeys::mask_ranges(const QueryBlock& queries, const KeyBlock& block,
                               float* scores) const {
  std::array<std::int32_t, kQueryBlock> first{};
  std::array<std::int32_t, kQueryBlock> end{};
  end.fill(std::numeric_limits<std::int32_t>::max());  // of lanes without a query
  for (std::int64_t lane = 0; lane < queries.count; ++lane) {
    const KeyRange range = of(queries.first + lane);
    first[static_cast<std::size_t>(lane)] = static_cast<std::int32_t>(range.first);
    end[static_cast<std::size_t>(lane)] = static_cast<std::int32_t>(range.end);
  }
  for (std::int64_t row = 0; row < block.count; ++row) {
    const auto key = static_cast<std::int32_t>(block.first + row);
    float* const of_key = scores + row * kQueryBlock;
#pragma omp simd
    for (std::int64_t lane = block.lane; lane < queries.lanes; ++lane) {
      const auto at = static_cast<std::size_t>(lane);
      of_key[lane] = key >= first[at] && key < end[at] ? of_key[lane] : kNever;
    }
  }
}

}  // namespace stagecraft::cpu
