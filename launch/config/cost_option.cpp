#include "launch/config/cost_option.h"

#include <algorithm>
#include <vector>

#include "launch/config/number_lists.h"

namespace stagecraft {
namespace {

/// Each cost once: transfers share theirs.
std::vector<std::string_view> cost_names() {
  std::vector<std::string_view> names;
  for (const OpTraits& each : kOpTraits) {
    if (std::find(names.begin(), names.end(), each.cost) == names.end()) {
      names.push_back(each.cost);
    }
  }
  return names;
}

/// An op that has this cost.
const OpTraits& op_with_cost(std::string_view name) {
  return *std::find_if(kOpTraits.begin(), kOpTraits.end(),
                       [&](const OpTraits& each) { return each.cost == name; });
}

}  // namespace

CostTable parse_cost_option(std::string_view text, int chunks) {
  CostTable costs;
  costs.chunks.assign(static_cast<std::size_t>(chunks), {});
  for (const NumberList& list : parse_number_lists(text, cost_names())) {
    const OpTraits& of = op_with_cost(list.name);
    if (of.kind != OpKind::compute) {
      set_cost(costs, of.op, 0, list.one());
      continue;
    }
    const std::vector<double> values = list.each(chunks, "chunks");
    for (int chunk = 0; chunk < chunks; ++chunk) {
      set_cost(costs, of.op, chunk, values[static_cast<std::size_t>(chunk)]);
    }
  }
  return costs;
}

}  // namespace stagecraft
