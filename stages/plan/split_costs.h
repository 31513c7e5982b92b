// Time and memory of a split on a machine, before there is a program.
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
  bool weights_apart = false;             // the schedule may put W off
  std::vector<int> stage_of_chunk;        //
  std::vector<LayerCost> work;            // of one micro-batch, one a chunk
  std::vector<std::int64_t> stage_bytes;  // weights, gradients and moments, one a stage
  std::int64_t tensor_bytes = 0;          // of what one chunk hands to the next

  /// A lower bound of the step, whatever the order: a stage's work, between the first micro-batch's
  /// way to it and the last one's way back.
  double least_ms(int microbatches) const;
  /// Of the stage that holds most: with one micro-batch of one chunk, and along its line.
  std::int64_t least_bytes() const;
  std::int64_t most_bytes(const Program& program) const;
};

/// Prices splits of one model; what several have in common is worked out once.
class SplitPricer {
 public:
  SplitPricer(const ModelConfig& model, const BatchConfig& batch, const MachineConfig& machine)
      : model_(model), batch_(batch), machine_(machine) {}

  SplitCosts price(const ParallelConfig& parallel, std::int64_t micro_batch);
  /// Whether the first and the last chunk share a parameter.
  bool tied() { return tied_gradient_bytes(spec(1)) > 0; }

 private:
  /// The model over tensor ranks, cut into chunks.
  struct ChunkCut {
    std::vector<LayerRange> ranges;
    std::vector<ParameterBytes> parameters;  // one a chunk, a shared one in both
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
