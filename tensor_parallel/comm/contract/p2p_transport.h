// Asynchronous point-to-point transfers between processes that share no memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace stagecraft {

/// Between one pair of processes and for one tag, messages arrive in the order of the sends and
/// fill the receives in the order of the receives. Safe from any thread.
class P2pTransport {
 public:
  virtual ~P2pTransport() = default;
  /// Identifies one send or receive until wait() has returned for it or it is abandoned.
  using Ticket = std::uint64_t;

  /// Starts a send and returns at once. `bytes` must stay valid and unchanged until the ticket is
  /// done.
  virtual Ticket send(int to, int tag, std::span<const std::byte> bytes) = 0;
  /// Starts a receive and returns at once. The message may be shorter than `bytes`, never longer.
  virtual Ticket receive(int from, int tag, std::span<std::byte> bytes) = 0;
  /// Whether wait() would return at once.
  virtual bool done(Ticket ticket) = 0;
  /// Returns when the transfer is complete. Call it once for each ticket. Throws AbortedError once
  /// the world is aborted, also when it is already waiting.
  virtual void wait(Ticket ticket) = 0;
  /// Gives up the ticket, for which wait() is not called. `owner` keeps its bytes valid. A receive
  /// is cancelled; a send goes on. Returns at once, also after an abort. The transport releases
  /// `owner` when it no longer accesses the bytes: at the latest in its destructor, except for a
  /// send that is still pending there.
  virtual void abandon(Ticket ticket, std::shared_ptr<const void> owner) noexcept = 0;
};

}  // namespace stagecraft
