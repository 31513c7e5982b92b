#include "tensor_parallel/comm/local/mailbox.h"

#include <exception>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/ops/elementwise.h"

namespace stagecraft::local {
namespace {

std::string mismatch(const Call& send, const Call& recv) {
  if (send.in.dtype() == recv.in.dtype() && send.in.shape() == recv.in.shape()) {
    return {};
  }
  return fmt::format("rank {} calls {}, rank {} calls {}", recv.peer, to_string(send), send.peer,
                     to_string(recv));
}

}  // namespace

void Mailbox::send(Stream& stream, const Call& call, const AbortFlag& flag) {
  Posting offer{.call = call};
  stream.record(offer.ready);
  std::unique_lock lock(mutex_);
  flag.check();
  offer_ = std::move(offer);
  state_ = State::offered;
  changed_.notify_all();
  changed_.wait(lock, [&] { return state_ == State::taken || flag.raised(); });
  flag.check();
  state_ = State::empty;
  offer_ = {};
  const Answer given = std::exchange(answer_, {});
  lock.unlock();
  require(given.fault.empty(), "send", "{}", given.fault);
  wait(stream, given.done);
}

void Mailbox::recv(Stream& stream, const Call& call, const AbortFlag& flag) {
  // The offer's tensor handle is released before the answer, so the sender's is then the only one.
  Answer given = take(stream, await_offer(flag), call);
  const std::string fault = given.fault;
  answer(std::move(given));
  require(fault.empty(), "recv", "{}", fault);
}

void Mailbox::wake() noexcept {
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
}

/// Returns a copy: its tensor handle stays valid if an abort ends the sender during the copy.
Posting Mailbox::await_offer(const AbortFlag& flag) {
  std::unique_lock lock(mutex_);
  flag.check();
  changed_.wait(lock, [&] { return state_ == State::offered || flag.raised(); });
  flag.check();
  return offer_;
}

Mailbox::Answer Mailbox::take(Stream& stream, const Posting& offer, const Call& call) {
  Answer given{.fault = mismatch(offer.call, call)};
  if (!given.fault.empty()) {
    return given;
  }
  try {
    wait(stream, offer.ready);
    copy(stream, {.from = offer.call.in, .to = call.in});
    stream.record(given.done);
  } catch (const std::exception& error) {
    given.fault = error.what();
  }
  return given;
}

void Mailbox::answer(Answer given) {
  const std::lock_guard lock(mutex_);
  answer_ = std::move(given);
  state_ = State::taken;
  changed_.notify_all();
}

}  // namespace stagecraft::local
