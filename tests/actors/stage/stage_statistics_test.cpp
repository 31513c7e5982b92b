#include "actors/stage/stage_statistics.h"

#include <catch2/catch.hpp>

#include "kernels/backends/make_stream.h"
#include "tests/counting_stream.h"

namespace stagecraft {
namespace {

/// Adds `count` spans of one nanosecond each.
void add_spans(SpanRecorder& spans, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto at = static_cast<std::int64_t>(i);
    spans.add(Lane::compute, at, at + 1, "F");
  }
}

/// Reports the use that a test sets.
class UsedStream : public test::CountingStream {
 public:
  StreamUse use() const override { return now; }
  StreamUse now;
};

}  // namespace

TEST_CASE("after start_over only later use of the stream is counted") {
  UsedStream stream;
  StageStatistics meter;
  stream.now = {1, 2, 3, 400, 5, 6, 7, 8};
  meter.start_over(stream);
  stream.now = {11, 22, 33, 500, 55, 66, 77, 88};
  const StreamUse use = meter.total(0, stream).use;
  CHECK(use.full_waits == 10);
  CHECK(use.event_waits == 20);
  CHECK(use.memory_calls == 30);
  CHECK(use.held_bytes == 500);
  CHECK(use.library_attention_forwards == 50);
  CHECK(use.library_attention_backwards == 60);
  CHECK(use.own_attentions == 70);
  CHECK(use.chosen_products == 80);
}

TEST_CASE("after start_over all totals are zero") {
  const auto stream = make_stream({}, {});
  StageStatistics meter;
  meter.begin_pass(true);
  add_spans(meter.spans(), 3);
  { const auto held = stream->memory().allocate(1 << 20, MemoryLabel::saved_activations); }
  CHECK(meter.total(5, *stream).compute_ns == 3);
  CHECK(meter.total(5, *stream).peak_saved_activation_bytes == 1 << 20);
  meter.start_over(*stream);
  const StageEnded after = meter.total(5, *stream);
  CHECK(after.rank == 5);
  CHECK(after.compute_ns == 0);
  CHECK(after.idle_ns == 0);
  CHECK(after.peak_saved_activation_bytes == 0);
  CHECK(meter.spans().empty());
}

}  // namespace stagecraft
