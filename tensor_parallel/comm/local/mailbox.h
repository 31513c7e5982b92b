// Messages from one member to another: a rendezvous in which the receiver copies.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>

#include "tensor_parallel/comm/contract/abort_flag.h"
#include "tensor_parallel/comm/local/posting.h"

namespace stagecraft::local {

/// INVARIANT: one thread sends and one receives. If the shapes or dtypes differ, both throw Error.
class Mailbox {
 public:
  /// Returns when the receiver has issued its copy; `stream` then waits for the copy.
  void send(Stream& stream, const Call& call, const AbortFlag& flag);
  void recv(Stream& stream, const Call& call, const AbortFlag& flag);
  void wake() noexcept;

 private:
  enum class State { empty, offered, taken };

  struct Answer {
    std::string fault = {};  // sender and receiver throw it; empty: no fault
    Event done = {};         // the end of the copy
  };

  Posting await_offer(const AbortFlag& flag);
  static Answer take(Stream& stream, const Posting& offer, const Call& call);
  void answer(Answer given);

  std::mutex mutex_;
  std::condition_variable changed_;
  State state_ = State::empty;
  Posting offer_;
  Answer answer_;
};

}  // namespace stagecraft::local
