// The contract of streams and events, on every device.
#include "kernels/core/stream.h"
#include "kernels/backends/host_devices.h"
#include "kernels/backends/make_stream.h"
#include "kernels/core/device_report.h"

#include "kernels/base/span.h"
#include "kernels/ops/elementwise.h"
#include "tests/conformance/ops/reference.h"

namespace stagecraft::testing {
namespace {

constexpr std::int64_t kMany = 1 << 24;  // elements: enough to keep a device busy for a while

Tensor filled(Stream& stream, std::int64_t count, double value) {
  return tensor_of(stream, {count}, Values(static_cast<std::size_t>(count), value));
}

}  // namespace

TEST_CASE("a stream knows its device") {
  for (DeviceUnderTest& device : devices_under_test()) {
    for (const auto& stream : device.streams) {
      CHECK(to_string(stream->device()) == device.name + ":0");
    }
  }
}

TEST_CASE("a wait for an event sees what was issued before it was recorded") {
  for (DeviceUnderTest& device : devices_under_test()) {
    Stream& first = *device.streams.front();
    Stream& second = *device.streams.back();
    const Tensor source = filled(first, kMany, 1);
    const Tensor target = filled(first, kMany, 0);
    const Tensor seen(second.memory(), {kMany}, DType::float32, MemoryLabel::workspace);
    for (int round = 1; round <= 3; ++round) {
      for (int i = 0; i < 8; ++i) {
        add(first, {target, source, target});
      }
      Event issued;
      first.record(issued);
      second.wait(issued);
      copy(second, {target, seen});
      Event read;
      second.record(read);
      first.wait(read);
      CHECK(values_of(second, seen.rows(kMany - 1, kMany)) == Values{8.0 * round});
    }
    first.synchronize();
    second.synchronize();
  }
}

TEST_CASE("events that nobody holds any more still order streams") {
  constexpr std::int64_t kRounds = 16;
  for (DeviceUnderTest& device : devices_under_test()) {
    Stream& first = *device.streams.front();
    Stream& second = *device.streams.back();
    const Tensor source = filled(first, kMany, 1);
    const Tensor target = filled(first, kMany, 0);
    const Tensor seen(second.memory(), {kRounds}, DType::float32, MemoryLabel::workspace);
    const auto follow = [](Stream& later, Stream& earlier) {
      Event issued;  // gone before it is reached; the next round may get the same one
      earlier.record(issued);
      later.wait(issued);
    };
    Values expected;
    for (std::int64_t round = 0; round < kRounds; ++round) {
      add(first, {target, source, target});
      follow(second, first);
      copy(second, {target.rows(kMany - 1, kMany), seen.rows(round, round + 1)});
      follow(first, second);
      expected.push_back(static_cast<double>(round + 1));
    }
    CHECK(values_of(second, seen) == expected);
    first.synchronize();
  }
}

TEST_CASE("an event may be recorded again, also by another stream") {
  for (DeviceUnderTest& device : devices_under_test()) {
    Event event;
    for (int round = 0; round < 3; ++round) {
      for (const auto& stream : device.streams) {
        stream->record(event);
        device.streams.front()->wait(event);
      }
    }
    device.streams.front()->synchronize();
  }
}

TEST_CASE("a wait for an event that was never recorded does not block") {
  for (DeviceUnderTest& device : devices_under_test()) {
    Stream& stream = *device.streams.front();
    stream.wait(Event{});
    CHECK(values_of(stream, filled(stream, 1, 3)) == Values{3});
  }
}

TEST_CASE("the host can wait for one event, also for one that was never recorded") {
  for (DeviceUnderTest& device : devices_under_test()) {
    Stream& stream = *device.streams.front();
    stream.synchronize(Event{});
    const Tensor sum = filled(stream, kMany, 0);
    const Tensor one = filled(stream, kMany, 1);
    add(stream, {sum, one, sum});
    Event added;
    stream.record(added);
    const StreamUse before = stream.use();
    stream.synchronize(added);
    CHECK(stream.use().full_waits == before.full_waits);
    CHECK(stream.use().event_waits <= before.event_waits + 1);
    CHECK(values_of(*device.streams.back(), sum.rows(kMany - 1, kMany)) == Values{1});
  }
}

TEST_CASE("time marks measure when work was done, on the host's clock") {
  for (DeviceUnderTest& device : devices_under_test()) {
    INFO("device " << device.name);
    Stream& stream = *device.streams.front();
    const Tensor sum = filled(stream, kMany, 0);
    const Tensor one = filled(stream, kMany, 1);
    stream.time_of(stream.mark_time());  // the clocks are compared at the first call
    const std::int64_t before = now_ns();
    std::vector<TimeMark> marks = {stream.mark_time()};
    for (int round = 0; round < 4; ++round) {
      add(stream, {sum, one, sum});
      marks.push_back(stream.mark_time());
    }
    stream.synchronize();
    const std::int64_t after = now_ns();
    constexpr std::int64_t kComparison_ns = 1'000'000;  // allowed error of the clock comparison
    CHECK(stream.time_of(marks.front()) >= before - kComparison_ns);
    CHECK(stream.time_of(marks.back()) <= after + kComparison_ns);
    for (std::size_t mark = 1; mark < marks.size(); ++mark) {
      CHECK(stream.time_of(marks[mark]) > stream.time_of(marks[mark - 1]));
    }
  }
}

TEST_CASE("memory calls and waits of a stream are counted") {
  for (DeviceUnderTest& device : devices_under_test()) {
    const auto stream = make_stream(device.streams.front()->device(), {});
    const bool on_host = stream->device().kind == DeviceKind::cpu;
    stream->memory().allocate(1 << 20, MemoryLabel::workspace);
    stream->memory().allocate(1 << 20, MemoryLabel::workspace);  // reuses the freed piece
    stream->synchronize();
    CHECK(stream->use().memory_calls == (on_host ? 0 : 1));
    CHECK(stream->use().held_bytes == (on_host ? 0 : 1 << 20));
    CHECK(stream->use().full_waits == (on_host ? 0 : 1));
    CHECK(stream->use().event_waits == 0);
  }
}

TEST_CASE("work may be issued within a named range") {
  for (DeviceUnderTest& device : devices_under_test()) {
    Stream& stream = *device.streams.front();
    stream.begin_range("F 0");
    CHECK(values_of(stream, filled(stream, 1, 3)) == Values{3});
    stream.end_range();
  }
}

TEST_CASE("a stream may be destroyed before its work ends, and its memory stays valid") {
  for (DeviceUnderTest& device : devices_under_test()) {
    const Device which = device.streams.front()->device();
    Tensor kept;
    {
      const auto stream = make_stream(which, {});
      kept = filled(*stream, kMany, 1);
      for (int i = 0; i < 4; ++i) {
        add(*stream, {kept, kept, kept});
      }
    }
    CHECK(values_of(*device.streams.front(), kept.rows(kMany - 1, kMany)) == Values{16});
  }
}

TEST_CASE("a missing device is an error with the reason") {
  const DeviceCensus census = count_devices(DeviceKind::cuda);
  CHECK(census.why_none.empty() == (census.count > 0));
  const auto missing = Device{DeviceKind::cuda, census.count};
  CHECK_THROWS_WITH(make_stream(missing, {}), Catch::Matchers::Contains("cuda"));
  CHECK_THROWS_AS(make_stream(missing, {}), Error);
  CHECK(count_devices(DeviceKind::cpu).count == 1);
}

}  // namespace stagecraft::testing
