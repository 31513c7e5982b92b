// Step timelines: what every rank did in one step, instruction by instruction, as predicted or as
// measured by a run's spans.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/base/span.h"
#include "stages/predict/simulate.h"
#include "stages/program/program.h"
#include "tensor_parallel/sharding/mesh.h"

namespace stagecraft {

/// A collective that an instruction took part in.
struct CollectiveTime {
  std::size_t action = 0;  // position in RankTimeline::actions
  double begin = 0;
  double together = 0;  // when the last member entered it; from then on it is communication
  double end = 0;
  int last_rank = 0;  // the rank that entered it last
};

/// One rank's step. Times count from the beginning of the step.
struct RankTimeline {
  MeshCoordinate coordinate;
  double begin = 0;             // when it began the step
  double reduction_wait = 0;    // directly before the norm: for reductions that overlapped
  double norm_begin = 0;        // of the sums of squares, which it reports before U
  double norm_end = 0;          //
  std::vector<Action> actions;  // in program order
  std::vector<CollectiveTime> collectives;
  std::vector<CollectiveTime> reductions;  // those of D and TD that proceeded beside other actions

  /// How long the reductions of an action took, from when the last member had entered each; nothing
  /// if none proceeded beside other actions.
  std::optional<double> time_beside(std::size_t action) const;
};

struct StepTimeline {
  std::int64_t step = 0;
  double begin = 0;     // when the first rank began it, from the trace's origin
  double duration = 0;  // until the last rank's last action ended
  std::vector<RankTimeline> ranks;
};

/// The spans of one rank of a run.
struct RankSpans {
  int rank = 0;
  MeshCoordinate coordinate;
  std::vector<Span> spans = {};
};

/// 0 to the number of ranks - 1.
std::vector<int> all_ranks(const MeshShape& mesh);

/// One column of the mesh, with a rank per stage, in the unit of the cost table.
StepTimeline predicted_timeline(const Timeline& timeline);

/// The complete steps in `spans` (by rank of `mesh`), in order, in milliseconds from `origin_ns`.
/// All ranks run `program`.
std::vector<StepTimeline> measured_timelines(const Program& program, const MeshShape& mesh,
                                             const std::vector<const std::vector<Span>*>& spans,
                                             std::int64_t origin_ns);

}  // namespace stagecraft
