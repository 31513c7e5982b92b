// State of a world that the processes of one node share: the abort flag and one futex per process.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "tensor_parallel/comm/contract/shared_window.h"
#include "tensor_parallel/comm/mpi/futex.h"

namespace stagecraft::mpi {

/// One process's view of its node's window:
///
///     0    state of the flag: lowered, rising, raised      (4 bytes)
///     64   the culprit's name, ended by a zero byte        (192 bytes)
///     256  futex of member 0, of member 1, ...             (64 bytes each)
class Node {
 public:
  /// `window`: bytes(members) bytes, initially zero.
  Node(SharedWindow window, int members);
  static std::int64_t bytes(int members);

  int members() const { return members_; }
  Futex& futex(int member) const;

  /// Keeps the first culprit; a name that does not fit is truncated. True if this call raised the
  /// flag.
  bool raise(std::string_view culprit) noexcept;
  bool raised() const noexcept;
  /// Throws AbortedError once the flag is raised.
  void check() const;

 private:
  std::atomic<std::uint32_t>& state() const;

  SharedWindow window_;
  int members_;
};

}  // namespace stagecraft::mpi
