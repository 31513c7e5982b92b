// Estimates the time and memory of a split on a machine without building its program.
#pragma once

#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include "models/families/model_config.h"
#include "stages/plan/communication.h"
#include "stages/plan/machine.h"
#include "stages/plan/partition.h"

namespace stagecraft {

struct SplitCosts {
  CostTable table;                        // milliseconds
  bool weights_apart = false;             // the schedule may defer W
  std::vector<int> stage_of_chunk;        //
  std::vector<LayerCost> work;            // of one micro-batch, per chunk
  std::vector<std::int64_t> stage_bytes;  // weights, gradients and moments, per stage
  std::int64_t tensor_bytes = 0;          // of the activation between two chunks

  /// A lower bound of the step for any order: for each stage, the time until the first micro-batch
  /// reaches it, its work, and the last micro-batch's backward after it.
  double least_ms(int microbatches) const;
  /// A lower bound of the memory of the stage that holds most: one micro-batch of one chunk.
  std::int64_t least_bytes() const;
  /// The peak memory of the stage that holds most when it runs `program`.
  std::int64_t most_bytes(const Program& program) const;
};

/// Prices splits of one model; caches what several splits have in common.
class SplitPricer {
 public:
  SplitPricer(const ModelConfig& model, const BatchConfig& batch, const MachineConfig& machine)
      : model_(model), batch_(batch), machine_(machine) {}

  SplitCosts price(const ParallelConfig& parallel, std::int64_t micro_batch);
  /// Whether the first and the last chunk share a parameter.
  bool tied() { return spec(1).tied_parameter().has_value(); }

 private:
  /// The model for a number of tensor ranks, cut into chunks.
  struct ChunkCut {
    std::vector<LayerRange> ranges;
    std::vector<ParameterBytes> parameters;  // per chunk; a shared parameter counts in both
  };
  const ModelSpec& spec(int tensor);
  const ChunkCut& cut(int tensor, int chunks);

  ModelConfig model_;
  BatchConfig batch_;
  MachineConfig machine_;
  std::map<int, ModelSpec> specs_;
  std::map<std::pair<int, int>, ChunkCut> cuts_;
};

}  // namespace stagecraft
