// A channel whose messages get lost or are duplicated.
#pragma once

#include "stages/execute/executor.h"
#include "stages/program/edge.h"

namespace stagecraft::test {

enum class Mishap { none, drop, duplicate };

struct Fault {
  Mishap mishap = Mishap::none;
  bool envelope = true;  // otherwise the credit
  Edge edge;
  std::uint64_t sequence = 0;
};

/// Forwards what an executor sends, except for the one message that `fault` selects.
class FaultyPort : public ExecutorPort {
 public:
  FaultyPort(ExecutorPort& port, const Fault& fault) : port_(port), fault_(fault) {}
  void send_envelope(const Envelope& envelope) override {
    for (int copy = copies(true, envelope.edge, envelope.sequence); copy > 0; --copy) {
      port_.send_envelope(envelope);
    }
  }
  void send_credit(const Edge& edge, std::uint64_t sequence) override {
    for (int copy = copies(false, edge, sequence); copy > 0; --copy) {
      port_.send_credit(edge, sequence);
    }
  }

 private:
  int copies(bool envelope, const Edge& edge, std::uint64_t sequence) const {
    const bool hit =
        envelope == fault_.envelope && edge == fault_.edge && sequence == fault_.sequence;
    if (!hit || fault_.mishap == Mishap::none) {
      return 1;
    }
    return fault_.mishap == Mishap::drop ? 0 : 2;
  }

  ExecutorPort& port_;
  Fault fault_;
};

}  // namespace stagecraft::test
