// The watch over calls into a library.
#include "tensor_parallel/comm/nccl/call_watch.h"

#include <catch2/catch.hpp>
#include <csignal>
#include <future>
#include <thread>

#include "tests/child_process.h"

namespace stagecraft::nccl {
namespace {

using namespace std::chrono_literals;

/// Stands in for a call into NCCL: it returns when it is ended.
struct HeldCall {
  std::promise<void> ended;
  std::function<void()> end = [this] { ended.set_value(); };
};

}  // namespace

TEST_CASE("a call that lasts longer than its limit is ended") {
  HeldCall call;
  CallWatch watch(call.end);
  {
    const CallWatch::Scope scope(watch, 0s);
    call.ended.get_future().wait();
  }
  CHECK(watch.has_ended_call());
}

TEST_CASE("a call is ended once, and calls within their limits never") {
  HeldCall call;  // a second end would throw
  HeldCall other;
  CallWatch watch(call.end);
  CallWatch patient(other.end);
  const CallWatch::Scope within(patient, 60s);
  for (int i = 0; i < 1000; ++i) {
    const CallWatch::Scope scope(watch, 60s);
  }
  CHECK(!watch.has_ended_call());
  const CallWatch::Scope scope(watch, -1s);
  call.ended.get_future().wait();
  CHECK(watch.has_ended_call());
  CHECK(!patient.has_ended_call());
}

TEST_CASE("a process that is suspended during a call ends it no earlier") {
  test::Pipe begun;
  test::Pipe woken;
  test::Child child([&] {
    CallWatch watch([] {});
    const CallWatch::Scope scope(watch, 1s);
    begun.put();
    woken.get();
    std::this_thread::sleep_for(250ms);  // two looks
    if (watch.has_ended_call()) {
      throw std::runtime_error("the pause was counted");
    }
  });
  begun.get();
  child.signal(SIGSTOP);
  std::this_thread::sleep_for(1500ms);  // the pause itself
  woken.put();
  child.signal(SIGCONT);
  CHECK(child.wait() == 0);
}

}  // namespace stagecraft::nccl
