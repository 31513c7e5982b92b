// The free memory of a pool: pieces of the segments that the pool took from its device.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace stagecraft {

/// A training step asks for the same sizes again and again, so free pieces are kept by exact size,
/// the last one returned first. A pool that has met every size as often as it is live at a time
/// then asks its device for nothing, in whatever order the sizes come. When the device has no
/// memory left, a size is cut from the smallest larger piece, after neighbours have been coalesced
/// where none is large enough. Not safe from several threads: the pool locks.
class FreeList {
 public:
  struct Segment {
    void* data = nullptr;
    std::int64_t bytes = 0;
  };

  /// Sizes are multiples of `alignment`, and at least that.
  explicit FreeList(std::int64_t alignment) : alignment_(alignment) {}

  std::int64_t rounded(std::int64_t bytes) const;

  /// A free piece of exactly `size` bytes, which rounded() gave. Null where there is none: the pool
  /// then takes a segment of that size from its device.
  void* take(std::int64_t size);
  /// For a device without memory: a piece of `size` bytes that is cut from a larger one. Null where
  /// the free pieces, coalesced with their neighbours, are all smaller.
  void* take_cut(std::int64_t size);
  /// The pool has taken `segment` from its device and handed all of it out.
  void add(const Segment& segment);
  /// `data` was handed out with `size` bytes. Where the host has no memory to remember it by, the
  /// piece is lost until its segment ends.
  void give_back(void* data, std::int64_t size) noexcept;

  /// Segments of which no piece is handed out. They are no longer part of the list.
  std::vector<Segment> take_unused_segments();
  /// All segments, at the end of the pool.
  std::vector<Segment> segments() const;

 private:
  using Address = char*;

  Address cut(std::int64_t size);
  void keep(Address data, std::int64_t size) { pieces_[size].push_back(data); }
  void coalesce();
  bool same_segment(Address left, Address right) const;

  std::int64_t alignment_;
  std::map<std::int64_t, std::vector<Address>> pieces_;  // by size
  std::map<Address, std::int64_t> segments_;             // sizes
};

}  // namespace stagecraft
