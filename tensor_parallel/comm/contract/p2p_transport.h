// Point-to-point bytes between processes that share no memory, moved beside everybody's computing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace stagecraft {

/// Between one pair of processes, what is sent under a tag arrives in the order of its sends and
/// fills the receives of that tag in the order of theirs. Safe from any thread.
class P2pTransport {
 public:
  virtual ~P2pTransport() = default;
  /// Names one send or receive until wait() has returned for it, or it was abandoned.
  using Ticket = std::uint64_t;

  /// Begins and returns at once. `bytes` live, and stay as they are, until the ticket is done.
  virtual Ticket send(int to, int tag, std::span<const std::byte> bytes) = 0;
  /// Begins and returns at once. The message may be shorter than `bytes`, never longer.
  virtual Ticket receive(int from, int tag, std::span<std::byte> bytes) = 0;
  /// Whether wait() would return at once.
  virtual bool done(Ticket ticket) = 0;
  /// Returns when the bytes are out, or there; each ticket is waited for once. Throws AbortedError
  /// once the world has been aborted, also when it is already waiting.
  virtual void wait(Ticket ticket) = 0;
  /// Nobody will wait for the ticket, and its bytes live as long as `owner`. A receive is
  /// cancelled; a send goes on. Returns at once; the courier lets go of `owner` when it touches the
  /// bytes no longer, at the latest when it ends. Also after an abort.
  virtual void abandon(Ticket ticket, std::shared_ptr<const void> owner) noexcept = 0;
};

}  // namespace stagecraft
