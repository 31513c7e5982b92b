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
  bool known() const { return count_ > 0; }
  double value() const { return known() ? sum_ / static_cast<double>(count_) : 0; }

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
    update_.add(ended - came);
  }

  CostTable costs() const {
    CostTable table;
    table.chunks.clear();
    for (int chunk = 0; chunk < program_.chunks; ++chunk) {
      ComputeCosts costs{.forward = mean(Op::forward, chunk),
                         .backward_input = mean(Op::backward_input, chunk),
                         .backward_weight = mean(Op::backward_weight, chunk)};
      if (compute_.count({Op::backward, chunk}) != 0) {
        costs.backward = mean(Op::backward, chunk);
      }
      table.chunks.push_back(costs);
    }
    table.transfer = transfer_.value();
    table.reduce_tied = tied_.value();
    table.reduce_data = data_.value();
    table.optimizer = update_.value();
    return table;
  }

 private:
  double mean(Op op, int chunk) const {
    const auto found = compute_.find({op, chunk});
    return found == compute_.end() ? 0 : found->second.value();
  }

  void add(const WaitIndex& waits, const ActionRef& ref) {
    const Action& action = waits.at(ref);
    const Op op = action.instruction.op;
    const WaitTarget due = waits.awaited(ref);
    if (is_compute(op)) {
      compute_[{op, action.instruction.chunk}].add(action.end - action.begin);
    } else if (op == Op::reduce_tied) {
      tied_.add(std::max(0.0, action.end - std::max(action.begin, due.until)));
    } else if (op == Op::reduce_data) {
      data_.add(action.end - action.begin);
    } else if (is_transfer(op) && !is_send(op) && due.until > waits.before(ref).end) {
      transfer_.add(std::max(0.0, action.begin - due.until));
    }
  }

  const Program& program_;
  const MeshShape& mesh_;
  std::map<std::pair<Op, int>, Mean> compute_;
  Mean transfer_, tied_, data_, update_;
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
