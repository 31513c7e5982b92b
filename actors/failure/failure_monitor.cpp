#include "actors/failure/failure_monitor.h"

#include <caf/all.hpp>

namespace stagecraft {
namespace {

using Self = FailureMonitor::stateful_pointer<FailureMonitorState>;

void tell_driver(Self self) {
  if (self->state.driver && !self->state.cause.empty()) {
    self->send(self->state.driver, RunFailed{self->state.cause});
  }
}

/// Only the first failure that reaches this monitor counts.
void fail(Self self, const FailureMonitorSetup& setup, const std::string& text) {
  FailureMonitorState& state = self->state;
  if (!state.cause.empty()) {
    return;
  }
  state.cause = text;
  setup.abort(text);
  tell_driver(self);
}

/// Several processes may fail at once; the board holds the first cause of all of them.
std::string first_cause(const FailureMonitorSetup& setup, int rank, const std::string& text) {
  setup.board->name_cause(rank, text);
  const std::optional<Cause> cause = setup.board->cause();
  return cause ? cause->text : text;
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
      [=](const RunFailed& m) { fail(self, *setup, first_cause(*setup, -1, m.text)); },
      [=](JoinAtom, const caf::strong_actor_ptr& driver) {
        self->state.driver = caf::actor_cast<DriverActor>(driver);
        tell_driver(self);
      },
      [=](const Finish&) { self->quit(); },
  };
}

}  // namespace stagecraft
