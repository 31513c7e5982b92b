#include "actors/failure/failure_monitor.h"

#include <caf/all.hpp>

namespace stagecraft {
namespace {

using Self = GuardActor::stateful_pointer<GuardState>;

void tell_driver(Self self) {
  if (self->state.driver && !self->state.cause.empty()) {
    self->send(self->state.driver, RunFailed{self->state.cause});
  }
}

/// The first failure that reaches this guard counts.
void fail(Self self, const GuardSetup& setup, const std::string& text) {
  GuardState& state = self->state;
  if (!state.cause.empty()) {
    return;
  }
  state.cause = text;
  setup.abort(text);
  tell_driver(self);
}

/// Several may fail at once; the board knows who was first.
std::string first_cause(const GuardSetup& setup, int rank, const std::string& text) {
  setup.board->name_cause(rank, text);
  const std::optional<Cause> cause = setup.board->cause();
  return cause ? cause->text : text;
}

}  // namespace

GuardActor::behavior_type guard_actor(GuardActor::stateful_pointer<GuardState> self,
                                      const std::shared_ptr<GuardSetup>& setup) {
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
