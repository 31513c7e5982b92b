#include "launch/schedule_trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "stages/executor.h"

namespace stagecraft {
namespace {

std::int64_t nanoseconds(double units) { return std::llround(units * 1e6); }

/// The same number at both ends of a transfer: what it carries, its source's chunk, its
/// micro-batch.
std::uint64_t flow_of(const Program& program, const Instruction& i) {
  const bool activation = i.op == Op::send_activation || i.op == Op::receive_activation;
  const int source = is_send(i.op) ? i.chunk : i.chunk + (activation ? -1 : 1);
  const std::int64_t number =
      static_cast<std::int64_t>(source) * program.microbatches + i.microbatch;
  return static_cast<std::uint64_t>(2 * number + (activation ? 1 : 2));
}

/// A transfer takes no time of its stage: where it fired, a moment long.
Span transfer_span(const Program& program, const Action& action) {
  return {.lane = lane_of(action.instruction.op),
          .name = span_name(action.instruction),
          .begin_ns = nanoseconds(action.end),
          .end_ns = nanoseconds(action.end) + 1,
          .flow = flow_of(program, action.instruction)};
}

void add_spans(const Program& program, const StageTimeline& stage, std::vector<Span>& spans) {
  double now = 0;
  for (const Action& action : stage.actions) {
    const Instruction& i = action.instruction;
    const double fired = is_transfer(i.op) ? action.end : action.begin;
    if (fired > now) {
      spans.push_back({.lane = Lane::schedule,
                       .name = fmt::format("wait for {}", span_name(i)),
                       .begin_ns = nanoseconds(now),
                       .end_ns = nanoseconds(fired)});
    }
    spans.push_back(is_transfer(i.op) ? transfer_span(program, action)
                                      : Span{.lane = lane_of(i.op),
                                             .name = span_name(i),
                                             .begin_ns = nanoseconds(action.begin),
                                             .end_ns = nanoseconds(action.end)});
    now = std::max(now, action.end);
  }
}

}  // namespace

std::vector<RankReport> predicted_spans(const Program& program, const Timeline& timeline) {
  std::vector<RankReport> reports;
  for (std::size_t stage = 0; stage < timeline.stages.size(); ++stage) {
    RankReport report;
    report.rank = static_cast<int>(stage);
    report.place.pipeline = report.rank;
    add_spans(program, timeline.stages[stage], report.spans);
    reports.push_back(std::move(report));
  }
  return reports;
}

}  // namespace stagecraft
