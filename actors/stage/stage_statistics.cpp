#include "actors/stage/stage_statistics.h"

namespace stagecraft {
namespace {

/// `now` without what was counted `before`. The bytes are those held now.
StreamUse use_since(StreamUse now, const StreamUse& before) {
  for (const auto counter :
       {&StreamUse::full_waits, &StreamUse::event_waits, &StreamUse::memory_calls,
        &StreamUse::library_attention_forwards, &StreamUse::library_attention_backwards,
        &StreamUse::own_attentions, &StreamUse::chosen_products}) {
    now.*counter -= before.*counter;
  }
  return now;
}

}  // namespace

void StageStatistics::begin_pass(bool traced) {
  if (first_begin_ns_ == 0) {
    first_begin_ns_ = now_ns();
  }
  spans_.enable(traced);
}

void StageStatistics::start_over(Stream& stream) {
  use_before_ = stream.use();
  stream.memory().account()->reset_peaks();
  spans_ = SpanRecorder();
  first_begin_ns_ = 0;
}

StageEnded StageStatistics::total(int rank, Stream& stream) const {
  StageEnded report;
  report.rank = rank;
  const std::int64_t collectives = spans_.total_ns(Lane::collectives);
  report.communication_ns =
      collectives + spans_.total_ns(Lane::send) + spans_.total_ns(Lane::receive);
  report.compute_ns =
      spans_.total_ns(Lane::compute) + spans_.total_ns(Lane::optimizer) - collectives;
  const std::int64_t passed = first_begin_ns_ == 0 ? 0 : now_ns() - first_begin_ns_;
  report.idle_ns = passed - report.compute_ns - report.communication_ns;
  report.use = use_since(stream.use(), use_before_);
  const MemoryAccount& account = *stream.memory().account();
  report.peak_bytes = account.total().peak;
  report.peak_saved_activation_bytes = account.count(MemoryLabel::saved_activations).peak;
  return report;
}

}  // namespace stagecraft
