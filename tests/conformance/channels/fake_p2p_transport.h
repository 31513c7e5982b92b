// P2P transports of two ranks in one process, without MPI.
#pragma once

#include <algorithm>
#include <array>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <stdexcept>
#include <tuple>

#include "kernels/base/error.h"
#include "tensor_parallel/comm/contract/p2p_transport.h"

namespace stagecraft::test {

/// When bytes are copied: as soon as both transfers have started, or only when the receiver calls
/// done() or wait(), as with a network.
enum class Delivery { at_once, late };

class FakePost {
 public:
  explicit FakePost(Delivery delivery) : delivery_(delivery), ends_{End(*this, 0), End(*this, 1)} {}
  P2pTransport& end(int rank) { return ends_.at(static_cast<std::size_t>(rank)); }

  void abort() {
    const std::lock_guard lock(mutex_);
    aborted_ = true;
    changed_.notify_all();
  }

 private:
  using Ticket = P2pTransport::Ticket;
  using Route = std::tuple<int, int, int>;  // from, to, tag

  struct Letter {
    Route route;
    bool sends = false;
    std::span<const std::byte> from;
    std::span<std::byte> to;
    bool done = false;
    std::shared_ptr<const void> owner = {};  // of an abandoned send
  };

  class End : public P2pTransport {
   public:
    End(FakePost& post, int rank) : post_(post), rank_(rank) {}
    Ticket send(int to, int tag, std::span<const std::byte> bytes) override {
      return post_.begin({.route = {rank_, to, tag}, .sends = true, .from = bytes, .to = {}});
    }
    Ticket receive(int from, int tag, std::span<std::byte> bytes) override {
      return post_.begin({.route = {from, rank_, tag}, .sends = false, .from = {}, .to = bytes});
    }
    bool done(Ticket ticket) override { return post_.done(ticket); }
    void wait(Ticket ticket) override { post_.wait(ticket); }
    void abandon(Ticket ticket, std::shared_ptr<const void> owner) noexcept override {
      post_.abandon(ticket, std::move(owner));
    }

   private:
    FakePost& post_;
    int rank_;
  };

  Ticket begin(Letter letter) {
    const std::lock_guard lock(mutex_);
    const Ticket ticket = next_++;
    (letter.sends ? sends_ : receives_)[letter.route].push_back(ticket);
    const Route route = letter.route;
    letters_.emplace(ticket, std::move(letter));
    if (delivery_ == Delivery::at_once) {
      deliver(route);
    }
    changed_.notify_all();
    return ticket;
  }

  bool done(Ticket ticket) {
    const std::lock_guard lock(mutex_);
    return look(ticket);
  }

  void wait(Ticket ticket) {
    std::unique_lock lock(mutex_);
    while (!look(ticket)) {
      if (aborted_) {
        throw AbortedError("the test");
      }
      changed_.wait(lock);
    }
    letters_.erase(ticket);
  }

  void abandon(Ticket ticket, std::shared_ptr<const void> owner) {
    const std::lock_guard lock(mutex_);
    Letter& letter = letters_.at(ticket);
    if (letter.sends && !letter.done) {
      letter.owner = std::move(owner);
      return;
    }
    std::erase(receives_[letter.route], ticket);
    letters_.erase(ticket);
  }

  bool look(Ticket ticket) {
    const Letter& letter = letters_.at(ticket);
    if (!letter.sends) {
      deliver(letter.route);
    }
    return letter.done;
  }

  void deliver(const Route& route) {
    auto& sends = sends_[route];
    auto& receives = receives_[route];
    while (!sends.empty() && !receives.empty()) {
      finish(sends.front(), receives.front());
      sends.pop_front();
      receives.pop_front();
    }
  }

  void finish(Ticket sent, Ticket received) {
    Letter& from = letters_.at(sent);
    Letter& to = letters_.at(received);
    if (from.from.size() > to.to.size()) {
      throw std::logic_error("a message is longer than its receive");
    }
    std::copy(from.from.begin(), from.from.end(), to.to.begin());
    from.done = to.done = true;
    if (from.owner != nullptr) {
      letters_.erase(sent);
    }
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  Delivery delivery_;
  bool aborted_ = false;
  Ticket next_ = 1;
  std::map<Ticket, Letter> letters_;
  std::map<Route, std::deque<Ticket>> sends_;
  std::map<Route, std::deque<Ticket>> receives_;
  std::array<End, 2> ends_;
};

}  // namespace stagecraft::test
