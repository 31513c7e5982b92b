#include "actors/failure/failure_monitor.h"

#include <caf/all.hpp>

#include "kernels/base/span.h"

namespace stagecraft {
namespace {

using Self = FailureMonitor::stateful_pointer<FailureMonitorState>;

void tell_driver(Self self) {
  if (self->state.driver && !self->state.cause.text.empty()) {
    self->send(self->state.driver, self->state.cause);
  }
}

/// Only the first failure that reaches this monitor counts.
void fail(Self self, const FailureMonitorSetup& setup, const RunFailed& cause) {
  FailureMonitorState& state = self->state;
  if (!state.cause.text.empty()) {
    return;
  }
  state.cause = cause;
  setup.abort(cause.text);
  tell_driver(self);
}

/// Several processes may fail at once; the board holds the first cause of all of this host.
RunFailed first_cause(const FailureMonitorSetup& setup, int rank, const std::string& text) {
  setup.board->name_cause(rank, text);
  const std::optional<Cause> cause = setup.board->cause();
  return cause ? RunFailed{cause->text, cause->culprit_rank} : RunFailed{text, rank};
}

/// One report is under way at a time: while rank 0 does not answer, this host's board shows that it
/// is silent. A connection that is lost ends the reports; whoever monitors its other end says so.
void report_rows(Self self, const std::shared_ptr<FailureMonitorSetup>& setup) {
  self->request(self->state.first, caf::infinite, setup->relay->own(now_ns()))
      .then(
          [=](const BoardRows& others) {
            setup->relay->take(others, now_ns());
            self->delayed_send(self, setup->relay->period(), TickAtom::value);
          },
          [](const caf::error& /*lost*/) {});
}

BoardRows answer(const FailureMonitorSetup& setup, const BoardRows& rows) {
  if (!setup.relay) {
    return {};
  }
  setup.relay->take(rows, now_ns());
  return setup.relay->others(rows, now_ns());
}

void end(Self self, const FailureMonitorSetup& setup) {
  if (setup.relay) {
    setup.relay->end();
  }
  self->quit();
}

}  // namespace

FailureMonitor::behavior_type failure_monitor(
    FailureMonitor::stateful_pointer<FailureMonitorState> self,
    const std::shared_ptr<FailureMonitorSetup>& setup) {
  return {
      [=](const StageFailed& m) {
        if (!m.aborted) {
          fail(self, *setup, first_cause(*setup, m.rank, m.text));
        }
      },
      [=](const RunFailed& m) { fail(self, *setup, first_cause(*setup, m.rank, m.text)); },
      [=](JoinAtom, const caf::strong_actor_ptr& driver) {
        self->state.driver = caf::actor_cast<DriverActor>(driver);
        tell_driver(self);
      },
      [=](ConnectAtom, const caf::strong_actor_ptr& first) {
        if (setup->relay && first != self->ctrl()) {
          self->state.first = caf::actor_cast<FailureMonitor>(first);
          report_rows(self, setup);
        }
      },
      [=](TickAtom) { report_rows(self, setup); },
      [=](const BoardRows& m) { return answer(*setup, m); },
      [=](const Finish&) { end(self, *setup); },
  };
}

}  // namespace stagecraft
