#include "launch/report/schedule_trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "stages/execute/span_names.h"

namespace stagecraft {
namespace {

std::int64_t nanoseconds(double units) { return std::llround(units * 1e6); }

class SpanWriter {
 public:
  SpanWriter(const Program& program, const Timeline& timeline, const MeshShape& mesh)
      : program_(program), timeline_(timeline), mesh_(mesh) {}

  RankSpans spans_of(int rank, const std::vector<PredictedStep>& steps) {
    const MeshCoordinate coordinate = coordinate_of(mesh_, rank);
    spans_.clear();
    for (std::size_t i = 0; i < steps.size(); ++i) {
      add_step(coordinate, steps[i], i);
    }
    return {rank, coordinate, std::move(spans_)};
  }

 private:
  void add_step(const MeshCoordinate& coordinate, const PredictedStep& step, std::size_t index) {
    double now = 0;
    for (const Action& action :
         timeline_.stages[static_cast<std::size_t>(coordinate.pipeline)].actions) {
      const Instruction& i = action.instruction;
      const bool chunks = program_.chunks > static_cast<int>(program_.stages.size());
      const std::string name = span_name(i, chunks);
      if (action.begin > now) {
        add(Lane::schedule, fmt::format("wait for {}", name), now, action.begin, step, i);
      }
      add(traits(i.op).lane, name, action.begin, action.end, step, i);
      if (is_transfer(i.op)) {
        spans_.back().flow = flow_of(i, coordinate, index);
        spans_.back().end_ns = spans_.back().begin_ns + 1;  // a transfer does not occupy the stage
      }
      now = std::max(now, action.end);
    }
  }

  void add(Lane lane, std::string name, double begin, double end, const PredictedStep& step,
           const Instruction& i) {
    spans_.push_back({.lane = lane,
                      .name = std::move(name),
                      .begin_ns = nanoseconds(step.begin_ms + begin),
                      .end_ns = nanoseconds(step.begin_ms + end),
                      .step = step.step,
                      .instruction = to_string(i)});
  }

  /// The same number at both ends of a transfer, computed from its step, mesh column, payload,
  /// source chunk and micro-batch.
  std::uint64_t flow_of(const Instruction& i, const MeshCoordinate& coordinate,
                        std::size_t step) const {
    const bool activation = payload_of(i.op) == Payload::activation;
    const int source = is_send(i.op) ? i.chunk : other_end(i).chunk;
    const int column = column_of(mesh_, coordinate);
    const std::size_t lane = step * static_cast<std::size_t>(mesh_.data * mesh_.tensor) +
                             static_cast<std::size_t>(column);
    const std::size_t chunk =
        lane * static_cast<std::size_t>(program_.chunks) + static_cast<std::size_t>(source);
    const std::size_t number = chunk * static_cast<std::size_t>(program_.microbatches) +
                               static_cast<std::size_t>(i.microbatch);
    return 2 * number + (activation ? 1 : 2);
  }

  const Program& program_;
  const Timeline& timeline_;
  const MeshShape& mesh_;
  std::vector<Span> spans_;
};

}  // namespace

std::vector<RankSpans> predicted_spans(const Program& program, const Timeline& timeline,
                                       const MeshShape& mesh, const std::vector<int>& ranks,
                                       const std::vector<PredictedStep>& steps) {
  std::vector<RankSpans> spans;
  spans.reserve(ranks.size());
  SpanWriter writer(program, timeline, mesh);
  for (const int rank : ranks) {
    spans.push_back(writer.spans_of(rank, steps));
  }
  return spans;
}

}  // namespace stagecraft
