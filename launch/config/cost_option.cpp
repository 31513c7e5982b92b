#include "launch/config/cost_option.h"

#include <array>

#include "launch/config/number_lists.h"

namespace stagecraft {
namespace {

constexpr std::array<std::string_view, 8> kNames = {"F", "I", "W", "B", "transfer", "T", "D", "U"};

void set_chunk(ComputeCosts& costs, std::string_view name, double value) {
  if (name == "B") {
    costs.backward = value;
  } else {
    (name == "F"   ? costs.forward
     : name == "I" ? costs.backward_input
                   : costs.backward_weight) = value;
  }
}

/// Where the table keeps a cost that does not belong to a chunk; null for another name.
double* shared_cost(CostTable& costs, std::string_view name) {
  return name == "transfer" ? &costs.transfer
         : name == "T"      ? &costs.reduce_tied
         : name == "D"      ? &costs.reduce_data
         : name == "U"      ? &costs.optimizer
                            : nullptr;
}

}  // namespace

CostTable parse_cost_option(std::string_view text, int chunks) {
  CostTable costs;
  costs.chunks.assign(static_cast<std::size_t>(chunks), {});
  for (const NumberList& list : parse_number_lists(text, kNames)) {
    if (double* const cost = shared_cost(costs, list.name)) {
      *cost = list.one();
      continue;
    }
    const std::vector<double> values = list.each(chunks, "chunks");
    for (std::size_t chunk = 0; chunk < values.size(); ++chunk) {
      set_chunk(costs.chunks[chunk], list.name, values[chunk]);
    }
  }
  return costs;
}

}  // namespace stagecraft
