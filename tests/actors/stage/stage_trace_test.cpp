#include "actors/stage/stage_trace.h"

#include <catch2/catch.hpp>

#include "tests/actors/memory_trace.h"

namespace stagecraft {
namespace {

constexpr Pass train(std::int64_t step) { return {PassKind::train, step, 0}; }

void record(SpanRecorder& spans, std::int64_t step) {
  spans.enable(true);
  spans.at(step, "0F0");
  spans.add(Lane::compute, 10 * step, 10 * step + 1, "F 0");
}

/// Takes the spans of its first call, and no more.
class FullSink : public TraceSink {
 public:
  explicit FullSink(int& calls) : calls_(calls) {}
  bool add(const std::vector<Span>& /*spans*/) noexcept override {
    ++calls_;
    return false;
  }
  void add_clocks(const ClockReadings& /*readings*/) noexcept override {}
  void end() noexcept override {}

 private:
  int& calls_;
};

}  // namespace

TEST_CASE("the first training steps are recorded, and no evaluation and no priming step") {
  const auto memory = std::make_shared<test::MemoryTrace>();
  const StageTrace trace(test::sinks_of(memory)(0), 2);
  CHECK_FALSE(trace.records(train(0)));
  CHECK(trace.records(train(1)));
  CHECK(trace.records(train(2)));
  CHECK_FALSE(trace.records(train(3)));
  CHECK_FALSE(trace.records({PassKind::evaluate, 1, 0}));
}

TEST_CASE("a rank without a sink records nothing") {
  const StageTrace none;
  CHECK_FALSE(none.records(train(1)));
  StageTrace null(nullptr, 3);
  CHECK_FALSE(null.records(train(1)));
  SpanRecorder spans;
  record(spans, 1);
  null.write(spans);
  null.write(ClockReadings{});
  null.end(spans);
  CHECK(spans.empty());
}

TEST_CASE("every span reaches the sink once, and the recorder keeps none") {
  const auto memory = std::make_shared<test::MemoryTrace>();
  StageTrace trace(test::sinks_of(memory)(4), 3);
  SpanRecorder spans;
  for (const std::int64_t step : {1, 2}) {
    record(spans, step);
    trace.write(spans);
    CHECK(spans.empty());
    CHECK(memory->spans(4).size() == static_cast<std::size_t>(step));
  }
  record(spans, 3);
  CHECK(memory->ends(4) == 0);
  trace.end(spans);
  CHECK(memory->spans(4).size() == 3);
  CHECK(memory->spans(4).back().step == 3);
  CHECK(memory->ends(4) == 1);
  CHECK_FALSE(trace.records(train(3)));
}

TEST_CASE("after the sink has taken its last span, nothing is recorded or written") {
  int calls = 0;
  StageTrace trace(std::make_unique<FullSink>(calls), 10);
  SpanRecorder spans;
  record(spans, 1);
  trace.write(spans);
  CHECK(calls == 1);
  CHECK_FALSE(trace.records(train(2)));
  record(spans, 2);
  trace.write(spans);
  CHECK(calls == 1);
  CHECK(spans.empty());
}

}  // namespace stagecraft
