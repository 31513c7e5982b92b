// An exchange of bytes between the members of a group, in rounds. The collectives use only this
// interface, so shared windows and MPI messages share one implementation of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace stagecraft::mpi {

/// The bytes that this member publishes in a round.
struct RoundSizes {
  static constexpr std::int64_t kNothing = -1;  // no member publishes any
  std::int64_t for_all = kNothing;              // bytes at to_all()
  std::int64_t for_one = kNothing;              // bytes at each to_one(); may be more than are used
};

/// One member's handle of an exchange. In a round every member fills its areas, calls round(), and
/// reads the other members' areas. All members call round() the same number of times and agree on
/// which of the two areas they use; the sizes may differ.
class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Bytes that a member may publish in one round: capacity() for all members if it publishes for
  /// all only, else lane() for all members and lane() for each other member.
  virtual std::int64_t capacity() const = 0;
  std::int64_t lane() const { return capacity() / size() / 64 * 64; }

  /// The areas to fill before the next round().
  virtual std::byte* to_all() = 0;
  virtual std::byte* to_one(int member) = 0;
  /// Returns when every member has called it. Throws AbortedError.
  virtual void round(const RoundSizes& sizes) = 0;
  /// of: the bytes that `member`, or this member, published for all. from: the bytes that `member`
  /// published for this member. Both may be read until the next round().
  virtual const std::byte* of(int member) const = 0;
  virtual const std::byte* from(int member) const = 0;

  /// An exchange between this member and `peer`; the lower rank is member 0. It shares the memory
  /// of this exchange: use either only after all members have completed the rounds of the other.
  /// The last round of the pair publishes nothing.
  virtual std::unique_ptr<Exchange> pair(int peer) = 0;
};

}  // namespace stagecraft::mpi
