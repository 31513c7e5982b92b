#include "stages/explain/calibration.h"

#include <algorithm>
#include <map>
#include <utility>

#include "kernels/base/error.h"
#include "stages/explain/wait_index.h"
#include "stages/program/edge.h"

namespace stagecraft {
namespace {

class Mean {
 public:
  void add(double value) {
    sum_ += value;
    ++count_;
  }
  double value() const { return count_ > 0 ? sum_ / static_cast<double>(count_) : 0; }

 private:
  double sum_ = 0;
  std::int64_t count_ = 0;
};

class Calibrator {
 public:
  Calibrator(const Program& program, const MeshShape& mesh) : program_(program), mesh_(mesh) {}

  void add(const StepTimeline& step) {
    const WaitIndex waits(program_, mesh_, step, kReceiveSlots);
    double came = 0;
    double ended = 0;
    for (std::size_t rank = 0; rank < step.ranks.size(); ++rank) {
      const std::vector<Action>& actions = step.ranks[rank].actions;
      for (std::size_t i = 0; i < actions.size(); ++i) {
        add(waits, {static_cast<int>(rank), i});
      }
      came = std::max(came, actions.back().came);
      ended = std::max(ended, actions.back().end);
    }
    mean_of(Op::optimizer, 0).add(ended - came);
  }

  /// What did not occur costs nothing.
  CostTable costs() const {
    CostTable table;
    table.chunks.assign(static_cast<std::size_t>(program_.chunks), {0, 0, 0});
    for (const auto& [kind, mean] : means_) {
      set_cost(table, kind.first, kind.second, mean.value());
    }
    table.transfer = transfer_.value();
    table.reductions_overlap = reductions_overlap_;
    return table;
  }

 private:
  /// Only compute has a cost for each chunk.
  Mean& mean_of(Op op, int chunk) { return means_[{op, is_compute(op) ? chunk : 0}]; }

  void add(const WaitIndex& waits, const ActionRef& ref) {
    const Action& action = waits.at(ref);
    const auto& [op, chunk, microbatch] = action.instruction;
    const double until = waits.awaited(ref).until;
    switch (traits(op).kind) {
      case OpKind::reduction:
        if (const std::optional<double> beside = waits.rank(ref.rank).time_beside(ref.action)) {
          reductions_overlap_ = true;
          mean_of(op, chunk).add(*beside);
          return;
        }
        [[fallthrough]];
      case OpKind::compute:
        mean_of(op, chunk).add(std::max(0.0, action.end - std::max(action.begin, until)));
        return;
      case OpKind::transfer:
        if (is_receive(op) && until > waits.before(ref).end) {
          transfer_.add(std::max(0.0, action.begin - until));
        }
        return;
      case OpKind::optimizer:
        return;  // once a step, in add()
    }
  }

  const Program& program_;
  const MeshShape& mesh_;
  std::map<std::pair<Op, int>, Mean> means_;
  Mean transfer_;
  bool reductions_overlap_ = false;
};

}  // namespace

CostTable calibrate(const Program& program, const MeshShape& mesh,
                    const std::vector<StepTimeline>& steps) {
  require(!steps.empty(), "calibrate", "there is no measured step");
  Calibrator calibrator(program, mesh);
  for (const StepTimeline& step : steps) {
    calibrator.add(step);
  }
  return calibrator.costs();
}

}  // namespace stagecraft
