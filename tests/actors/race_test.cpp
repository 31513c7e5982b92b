// Two actors write the same number without a message between them. The test passes when the thread
// sanitizer reports the race: neither the annotations for CAF (tsan_caf.cpp) nor the suppressions
// hide a race between handlers.
#include <caf/all.hpp>
#include <catch2/catch.hpp>

namespace stagecraft::test {
namespace {

int number = 0;

caf::behavior writer(caf::event_based_actor* self) {
  return {[self](int value) {
    number = value;
    self->quit();
  }};
}

}  // namespace

TEST_CASE("two handlers race") {
  caf::actor_system_config config;
  caf::actor_system system(config);
  const auto first = system.spawn<caf::detached>(writer);
  const auto second = system.spawn<caf::detached>(writer);
  caf::anon_send(first, 1);
  caf::anon_send(second, 2);
  system.await_all_actors_done();
  CHECK(number > 0);
}

}  // namespace stagecraft::test
