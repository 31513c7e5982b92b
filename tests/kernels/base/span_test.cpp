#include "kernels/base/span.h"

#include <catch2/catch.hpp>

#include "kernels/backends/make_stream.h"
#include "kernels/core/stream_span.h"

namespace stagecraft {
namespace {

TEST_CASE("a span that is added later gets its times when it is settled, once") {
  SpanRecorder recorder;
  recorder.enable(true);
  int asked = 0;
  recorder.add_later(Lane::send, "send act 3", 7, [&] {
    ++asked;
    return std::pair<std::int64_t, std::int64_t>(20, 50);
  });
  recorder.add(Lane::compute, 1, 2, "F 0");
  CHECK(asked == 0);
  CHECK(recorder.total_ns(Lane::send) == 0);
  recorder.settle();
  recorder.settle();
  CHECK(asked == 1);
  CHECK(recorder.total_ns(Lane::send) == 30);
  const std::vector<Span> spans = recorder.take();
  REQUIRE(spans.size() == 2);
  CHECK(spans[1].name == "send act 3");
  CHECK(spans[1].begin_ns == 20);
  CHECK(spans[1].end_ns == 50);
  CHECK(spans[1].flow == 7);
}

TEST_CASE("whether a span is kept, and of which step it is, is said when it is added") {
  SpanRecorder recorder;
  const auto times = [] { return std::pair<std::int64_t, std::int64_t>(20, 50); };
  recorder.enable(true);
  recorder.at(3, "U");
  recorder.add_later(Lane::optimizer, "update", 0, times);
  recorder.at(4, "0F0");
  recorder.enable(false);
  recorder.add_later(Lane::compute, "F 0", 0, times);
  recorder.settle();
  const std::vector<Span> spans = recorder.take();
  REQUIRE(spans.size() == 1);
  CHECK(spans[0].step == 3);
  CHECK(spans[0].instruction == "U");
  CHECK(recorder.total_ns(Lane::compute) == 30);
}

TEST_CASE("a stream's span on the CPU lasts from its begin to its end") {
  const auto stream = make_stream({}, {});
  SpanRecorder recorder;
  recorder.enable(true);
  const std::int64_t before = now_ns();
  StreamSpan span(recorder, *stream);
  const std::int64_t begun = now_ns();
  span.end(Lane::compute, "F 0");
  const std::int64_t after = now_ns();
  recorder.settle();
  const std::vector<Span> spans = recorder.take();
  REQUIRE(spans.size() == 1);
  CHECK((before <= spans[0].begin_ns && spans[0].begin_ns <= begun));
  CHECK((begun <= spans[0].end_ns && spans[0].end_ns <= after));
}

}  // namespace
}  // namespace stagecraft
