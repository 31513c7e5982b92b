#include "actors/driver/step_reduction.h"

#include <fmt/core.h>

#include <cmath>

#include "tensor_parallel/sharding/reduction_tree.h"

namespace stagecraft {
namespace {

/// The loss of the step: per data rank in micro-batch order, then along the reduction tree.
double loss_of(const TrainingPlan& plan, const std::vector<RankResults>& done) {
  std::vector<double> by_data(static_cast<std::size_t>(plan.mesh.data), 0);
  for (const RankResults& results : done) {
    double& sum = by_data[static_cast<std::size_t>(coordinate_of(plan.mesh, results.rank).data)];
    for (const std::uint64_t loss : results.losses) {
      sum += from_wire(loss);
    }
  }
  for (const TreeNode& node : reduction_tree(plan.mesh.data)) {
    by_data[static_cast<std::size_t>(node.into)] += by_data[static_cast<std::size_t>(node.from)];
  }
  return by_data[0] / static_cast<double>(plan.batch.global_batch * plan.model.sequence);
}

}  // namespace

StepReduction add_up(const TrainingPlan& plan, const std::vector<RankResults>& done) {
  const std::vector<ParameterSpec> specs = plan.model.parameters();
  std::vector<double> squares(specs.size(), 0);
  for (const RankResults& results : done) {  // by rank: the tensor ranks of a stage in order
    for (const WireSquare& square : results.squares) {
      squares.at(static_cast<std::size_t>(square.parameter)) += from_wire(square.square);
    }
  }
  StepReduction sums;
  sums.loss = loss_of(plan, done);
  std::string parameter;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    sums.squared_norm += squares[i];
    if (parameter.empty() && !std::isfinite(squares[i])) {
      parameter = fmt::format("the gradient of {} is not finite", specs[i].name);
    }
  }
  if (!std::isfinite(sums.loss)) {
    sums.not_finite =
        fmt::format("the loss is {}, {}", sums.loss,
                    parameter.empty() ? std::string("all gradients are finite") : parameter);
  } else {
    sums.not_finite = parameter;
  }
  return sums;
}

}  // namespace stagecraft
