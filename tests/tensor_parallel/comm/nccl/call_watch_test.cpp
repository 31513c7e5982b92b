// The watch over calls into a library.
#include "tensor_parallel/comm/nccl/call_watch.h"

#include <catch2/catch.hpp>
#include <future>

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

}  // namespace stagecraft::nccl
