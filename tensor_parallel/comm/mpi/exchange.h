// How the members of a group lay bytes open to each other: in turns. Everything that processes do
// together is said in these terms, so that windows and messages share one implementation of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace stagecraft::mpi {

/// What members lay out in a turn.
struct RoundSizes {
  static constexpr std::int64_t kNothing = -1;  // by any member
  std::int64_t for_all = kNothing;              // bytes at to_all()
  std::int64_t for_one = kNothing;              // bytes at to_one(), at least as many as are needed
};

/// One member's end. In a turn every member lays bytes out, calls turn(), and reads what the others
/// have laid out. All call turn() the same number of times and mean the same parts by it; sizes may
/// differ.
class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Bytes that a member may lay out in one turn, for all, or lane() for all and for each member.
  virtual std::int64_t capacity() const = 0;
  std::int64_t lane() const { return capacity() / size() / 64 * 64; }

  /// To be filled before the next turn().
  virtual std::byte* to_all() = 0;
  virtual std::byte* to_one(int member) = 0;
  /// Returns when every member has called it. Throws AbortedError.
  virtual void round(const RoundSizes& sizes) = 0;
  /// What `member` laid out; may be read until the next turn(). This member's own `of` is there,
  /// too.
  virtual const std::byte* of(int member) const = 0;
  virtual const std::byte* from(int member) const = 0;

  /// A table for this member and `peer` alone, at which the lower rank is member 0. It shares this
  /// one's memory, so neither may be used before the other's turns have been taken by all, and its
  /// own last turn lays out nothing.
  virtual std::unique_ptr<Exchange> pair(int peer) = 0;
};

}  // namespace stagecraft::mpi
