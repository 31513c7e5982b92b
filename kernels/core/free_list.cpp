#include "kernels/core/free_list.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace stagecraft {

std::int64_t FreeList::rounded(std::int64_t bytes) const {
  return std::max(alignment_, (bytes + alignment_ - 1) / alignment_ * alignment_);
}

void* FreeList::take(std::int64_t size) {
  const auto found = pieces_.find(size);
  if (found == pieces_.end() || found->second.empty()) {
    return nullptr;
  }
  Address const piece = found->second.back();
  found->second.pop_back();
  return piece;
}

void* FreeList::take_cut(std::int64_t size) {
  if (Address const piece = cut(size)) {
    return piece;
  }
  coalesce();
  void* const piece = take(size);
  return piece != nullptr ? piece : cut(size);
}

void FreeList::add(const Segment& segment) {
  segments_[static_cast<Address>(segment.data)] = segment.bytes;
}

void FreeList::give_back(void* data, std::int64_t size) noexcept {
  try {
    keep(static_cast<Address>(data), size);
  } catch (...) {
    return;
  }
}

FreeList::Address FreeList::cut(std::int64_t size) {
  for (auto larger = pieces_.upper_bound(size); larger != pieces_.end(); ++larger) {
    if (!larger->second.empty()) {
      Address const piece = larger->second.back();
      keep(piece + size, larger->first - size);
      larger->second.pop_back();
      return piece;
    }
  }
  return nullptr;
}

void FreeList::coalesce() {
  std::vector<std::pair<Address, std::int64_t>> free;
  for (const auto& [size, pieces] : pieces_) {
    for (Address const piece : pieces) {
      free.emplace_back(piece, size);
    }
  }
  std::sort(free.begin(), free.end());
  pieces_.clear();
  for (std::size_t first = 0, next = 0; first < free.size(); first = next) {
    auto [data, size] = free[first];
    for (next = first + 1; next < free.size() && free[next].first == data + size &&
                           same_segment(data, free[next].first);
         ++next) {
      size += free[next].second;
    }
    keep(data, size);
  }
}

/// Segments may lie side by side, and go back to the device one by one.
bool FreeList::same_segment(Address left, Address right) const {
  return segments_.upper_bound(left) == segments_.upper_bound(right);
}

std::vector<FreeList::Segment> FreeList::take_unused_segments() {
  coalesce();
  std::vector<Segment> unused;
  for (auto& [size, pieces] : pieces_) {
    std::erase_if(pieces, [&, bytes = size](Address piece) {
      const auto segment = segments_.find(piece);
      const bool whole = segment != segments_.end() && segment->second == bytes;
      if (whole) {
        unused.push_back({piece, bytes});
        segments_.erase(segment);
      }
      return whole;
    });
  }
  return unused;
}

std::vector<FreeList::Segment> FreeList::segments() const {
  std::vector<Segment> all;
  for (const auto& [data, bytes] : segments_) {
    all.push_back({data, bytes});
  }
  return all;
}

}  // namespace stagecraft
