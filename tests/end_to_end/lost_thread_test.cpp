// A thread that the system refuses while the actors of a run are made ends the run, whichever it
// is. This program's own pthread_create stands in for a system that refuses one.
#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cerrno>

#include "tests/conformance/watchdog.h"
#include "tests/end_to_end/small_run.h"

namespace {

std::atomic<int> made{0};
std::atomic<int> refused{0};  // the number of the call that fails, from 1; 0: none

}  // namespace

extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                              void* (*body)(void*), void* argument) {
  static const auto real =
      reinterpret_cast<decltype(&pthread_create)>(::dlsym(RTLD_NEXT, "pthread_create"));
  return ++made == refused ? EAGAIN : real(thread, attributes, body, argument);
}

namespace stagecraft {
namespace {

/// Thread `call` of those that run_training() makes is refused, counted from 1; 0: none.
RunResult train(int call) {
  test::SmallRun run;
  run.parallel.pipeline = 2;
  run.run.optimizer.steps = 1;
  run.run.optimizer.warmup_steps = 0;
  test::KeepingObserver observer;
  const test::Watchdog watchdog("a run without one of its threads", std::chrono::seconds(120));
  made = 0;
  refused = call;
  RunResult result = run_training(run.plan(), run.run, run.data(), {observer});
  refused = 0;
  return result;
}

TEST_CASE("an actor that gets no thread is a failure, and nobody waits for the others") {
  REQUIRE(train(0).failure.empty());
  const int all = made;
  // The last three are those of two stages and of the driver.
  for (int call = all - 2; call <= all; ++call) {
    CAPTURE(call, all);
    const RunResult result = train(call);
    CHECK_THAT(result.failure, Catch::Contains("the actors of the run cannot be made") &&
                                   Catch::Contains("device.threads"));
    CHECK(result.actor_lost);
  }
}

}  // namespace
}  // namespace stagecraft
