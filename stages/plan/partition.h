// Cuts the list of layers into chunks.
#pragma once

#include <cstdint>
#include <vector>

#include "models/families/model_spec.h"

namespace stagecraft {

/// Layers [first, last) of the model's list.
struct LayerRange {
  int first = 0;
  int last = 0;
  friend bool operator==(const LayerRange&, const LayerRange&) = default;
};

/// Cuts the model's layers into `chunks` runs and minimizes the cost of the most expensive run;
/// among equal cuts, prefers larger earlier runs. Cuts only where a layer allows it; each run has
/// at least one block.
std::vector<LayerRange> partition_by_cost(const ModelSpec& model, const CostShape& shape,
                                          int chunks);
/// Cuts by [parallel] partition: `blocks` per chunk.
std::vector<LayerRange> partition_by_list(const ModelSpec& model,
                                          const std::vector<std::int64_t>& blocks, int chunks);

/// The parameter uses of the layers in these runs, in model order; a tied parameter once per use.
std::vector<ParameterUse> uses_of(const ModelSpec& model, const std::vector<LayerRange>& ranges);

/// The same for each run apart.
std::vector<std::vector<ParameterUse>> uses_by_run(const ModelSpec& model,
                                                   const std::vector<LayerRange>& ranges);

/// The runs of layers of `stage`, in model order. `chunks` has one run per chunk.
std::vector<LayerRange> ranges_of(const std::vector<LayerRange>& chunks,
                                  const std::vector<int>& stage_of_chunk, int stage);

}  // namespace stagecraft
