// Which keys the queries of a head have: a range of each query, and the blocks that are computed.
#pragma once

#include "kernels/cpu/ops/attention_block.h"

namespace stagecraft::cpu {

/// Keys first .. end - 1; none: first = end = 0.
struct KeyRange {
  std::int64_t first = 0;
  std::int64_t end = 0;
};

/// The keys of one sample's queries.
class AttendedKeys {
 public:
  /// `keys` and `lengths` as in AttentionForward; what lies outside of the sample is cut off.
  AttendedKeys(const AttentionShape& shape, const Tensor& keys, const Tensor& lengths,
               std::int64_t sample);

  KeyRange of(std::int64_t query) const;
  /// The keys from the first to the last that queries of the block have. The first is that of a
  /// whole block of keys, whatever queries are computed beside these.
  KeyRange of(const QueryBlock& queries) const;
  /// The block of keys from `first` on, within `range`.
  KeyBlock block(const QueryBlock& queries, std::int64_t first, const KeyRange& range) const {
    return {queries, first, range.end, causal_};
  }
  /// The scores of keys that a query does not have become -infinity.
  void mask(const QueryBlock& queries, const KeyBlock& block, float* scores) const;

 private:
  /// Whether ranges are given, not only the rule of causal attention.
  bool given() const { return first_ != nullptr || length_ != nullptr; }
  void mask_ranges(const QueryBlock& queries, const KeyBlock& block, float* scores) const;

  std::int64_t sequence_;
  bool causal_;
  const std::int32_t* first_ = nullptr;  // of the sample's rows
  const std::int32_t* end_ = nullptr;
  const std::int32_t* length_ = nullptr;  // of the sample
};

}  // namespace stagecraft::cpu
