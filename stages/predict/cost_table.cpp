#include "stages/predict/cost_table.h"

#include <algorithm>
#include <cmath>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

template <typename Table>
auto& row_of(Table& costs, int chunk) {
  return costs.chunks.at(costs.chunks.size() == 1 ? 0 : static_cast<std::size_t>(chunk));
}

/// Calls `use` with the entry of the table, and returns what it returns.
template <typename Table, typename Use>
std::optional<double> use_entry(Table& costs, Op op, int chunk, const Use& use) {
  switch (op) {
    case Op::forward:
      return use(row_of(costs, chunk).forward);
    case Op::backward:
      return use(row_of(costs, chunk).backward);
    case Op::backward_input:
      return use(row_of(costs, chunk).backward_input);
    case Op::backward_weight:
      return use(row_of(costs, chunk).backward_weight);
    case Op::send_activation:
    case Op::receive_activation:
    case Op::send_gradient:
    case Op::receive_gradient:
      return use(costs.transfer);
    case Op::reduce_tied:
      return use(costs.reduce_tied);
    case Op::reduce_data:
      return use(costs.reduce_data);
    case Op::reduce_tied_data:
      return use(costs.reduce_tied_data);
    case Op::optimizer:
      return use(costs.optimizer);
  }
  return {};
}

}  // namespace

double cost_of(const CostTable& costs, Op op, int chunk) {
  const auto given =
      use_entry(costs, op, chunk, [](const std::optional<double>& entry) { return entry; });
  const ComputeCosts& row = row_of(costs, chunk);
  return given.value_or(row.backward_input + row.backward_weight);
}

void set_cost(CostTable& costs, Op op, int chunk, double value) {
  use_entry(costs, op, chunk, [&](auto& entry) {
    entry = value;
    return std::optional(value);
  });
}

bool overlaps(const CostTable& costs, Op op) {
  return costs.reductions_overlap && traits(op).group == OpGroup::data;
}

double duration_of(const CostTable& costs, const Instruction& i) {
  return is_transfer(i.op) || overlaps(costs, i.op) ? 0 : cost_of(costs, i.op, i.chunk);
}

void check_costs(const CostTable& costs, int chunks) {
  const std::size_t rows = costs.chunks.size();
  require(rows == 1 || rows == static_cast<std::size_t>(chunks), "simulate",
          "the cost table lists {} chunks, and the program has {}; list one for all, or one per "
          "chunk",
          rows, chunks);
  bool good = costs.slots >= 1;
  for (const OpTraits& each : kOpTraits) {
    for (int chunk = 0; chunk < static_cast<int>(rows); ++chunk) {
      const double cost = cost_of(costs, each.op, chunk);
      good = good && std::isfinite(cost) && cost >= 0;
    }
  }
  require(good, "simulate", "a cost is negative or not finite, or there are no slots");
}

}  // namespace stagecraft
