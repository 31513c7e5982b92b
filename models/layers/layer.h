// A layer holds its parameters and no micro-batch state. forward fills the caller's Stash;
// backward_input turns it into a WeightStash and frees the rest; backward_weight consumes that.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "models/parameters/parameter.h"
#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft {

/// One micro-batch of one pass.
struct MicroBatch {
  bool training = true;            // false: no dropout, nothing is saved
  std::uint32_t step = 0;          // training step, from 1
  std::uint64_t first_sample = 0;  // global number of the first of its samples
  std::int64_t samples = 0;
  std::int64_t sequence = 0;  // T
  bool first = true;          // the first of its step: gradients are written, later ones added
  float loss_scale = 1;       // 1 / tokens counted in the whole step
  Tensor tokens;              // [samples * T] int32, where a layer of this stage reads them
  Tensor token_order;         // [2, samples * T] int32, as token_order() makes it, for training
  Tensor targets;             // [samples * T] int32 or kIgnoredTarget, likewise
  Tensor loss;                // [1] float64, written by the layer that computes the loss
  std::int64_t rows() const { return samples * sequence; }
};

/// What a layer computes with.
struct LayerContext {
  Stream& stream;
  Communicator& tensor;
  const MicroBatch& batch;
};

/// What forward saves for backward; the order is the layer's own affair.
using Stash = std::vector<Tensor>;

/// Weight gradients that are still to be computed, in the order in which they were found.
/// Instruction B computes each at once (immediate), instruction I keeps them for W (deferred): the
/// same kernels in the same order, so the same bits.
class WeightStash {
 public:
  using Task = std::function<void(LayerContext&)>;
  enum class Mode : std::uint8_t { immediate, deferred };
  explicit WeightStash(Mode mode) : mode_(mode) {}

  /// `inputs` are the tensors that the task keeps alive; when deferred they count as weight
  /// stashes.
  void add(LayerContext& context, std::vector<Tensor> inputs, Task task);
  /// Runs and drops what was deferred.
  void run(LayerContext& context);
  bool empty() const { return tasks_.empty(); }

 private:
  Mode mode_;
  std::vector<Task> tasks_;
};

class Layer {
 public:
  virtual ~Layer() = default;
  /// x and the result are [rows, h] of this stage's activations; empty where the layer reads tokens
  /// or ends in the loss. An evaluation (batch.training false) saves nothing.
  virtual Tensor forward(LayerContext& context, Tensor x, Stash& stash) = 0;
  /// dy is the gradient of the result, and the result that of x, both empty likewise. Weight
  /// gradients go to `weights`; the stash is empty afterwards.
  virtual Tensor backward_input(LayerContext& context, Tensor dy, Stash& stash,
                                WeightStash& weights) = 0;
};

/// Work and memory of one micro-batch of one layer on one tensor rank.
struct LayerCost {
  double forward_flops = 0;  // of matrix products and attention, 2 per multiply-add
  double backward_input_flops = 0;
  double backward_weight_flops = 0;
  std::int64_t forward_sum_bytes = 0;   // that F adds up over the tensor axis, where it has one
  std::int64_t backward_sum_bytes = 0;  // that B or I does
  std::int64_t stash_bytes = 0;         // held from F to B (or I)
  std::int64_t weight_stash_bytes = 0;  // held from I to W
  // The most that is held within the instruction, the layer's input, output and stashes included;
  // what an operation takes for itself is not.
  std::int64_t forward_bytes = 0;
  std::int64_t backward_bytes = 0;
  std::int64_t backward_input_bytes = 0;
};

/// Of two layers in sequence, whose backwards come the other way round.
LayerCost joined(const LayerCost& first, const LayerCost& second);

/// Sizes that a cost depends on.
struct CostShape {
  std::int64_t samples = 0;        // of one micro-batch
  int tensor = 1;                  // ranks of the tensor axis
  DType compute = DType::float32;  // of activations
  std::int64_t activation_bytes() const { return size_of(compute); }
};

/// The runtime sizes that make() needs.
struct LayerSetup {
  Stream& stream;
  const ParameterStore& parameters;
  int tensor_rank = 0;
  int tensor_ranks = 1;
  std::uint64_t seed = 0;
};

/// One entry of a model: what a stage needs to know to own it, and how to make it.
struct LayerSpec {
  std::string name;        // "embedding", "block 3", "head"
  bool cut_before = true;  // whether a stage may begin here
  std::vector<ParameterUse> parameters;
  std::function<LayerCost(const CostShape&)> cost;
  std::function<std::unique_ptr<Layer>(const LayerSetup&)> make;
};

}  // namespace stagecraft
