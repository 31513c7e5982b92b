#include "actors/driver/step_reduction.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "actors/driver/loss_means.h"
#include "tensor_parallel/sharding/reduction_tree.h"

namespace stagecraft {
namespace {

/// The losses of the step: per data rank in micro-batch order, then along the reduction tree.
LossSums loss_sums(const TrainingPlan& plan, std::size_t losses,
                   const std::vector<RankResults>& done) {
  std::vector<LossSums> by_data(static_cast<std::size_t>(plan.mesh.data), LossSums(losses, 0));
  for (const RankResults& results : done) {
    const auto data = static_cast<std::size_t>(coordinate_of(plan.mesh, results.rank).data);
    std::vector<double> values;
    std::transform(results.losses.begin(), results.losses.end(), std::back_inserter(values),
                   from_wire);
    add_losses(values, by_data[data]);
  }
  for (const TreeNode& node : reduction_tree(plan.mesh.data)) {
    add_losses(by_data[static_cast<std::size_t>(node.from)],
               by_data[static_cast<std::size_t>(node.into)]);
  }
  return by_data[0];
}

}  // namespace

StepReduction add_up(const TrainingPlan& plan, const LossCounts& counts,
                     const std::vector<RankResults>& done) {
  const std::vector<ParameterSpec> specs = plan.model.parameters();
  std::vector<double> squares(specs.size(), 0);
  for (const RankResults& results : done) {  // by rank: the tensor ranks of a stage in order
    for (const WireSquare& square : results.squares) {
      squares.at(static_cast<std::size_t>(square.parameter)) += from_wire(square.square);
    }
  }
  StepReduction sums;
  sums.losses = loss_means(loss_sums(plan, counts.size(), done), counts);
  sums.loss = total_loss(sums.losses);
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
