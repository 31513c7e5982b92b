// A layer holds its parameters, the numbers of their gradients, and no micro-batch state. forward
// fills the caller's Stash. backward_input empties it and adds the weight gradients to a
// WeightStash, whose run() computes the deferred ones.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/parameters/parameter.h"
#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft {

/// One loss of a micro-batch.
struct MicroBatchLoss {
  std::string name;
  float scale = 1;  // of the gradient: 1 / what the loss counts in the whole step
  Tensor sum;       // [1] float64, written by the layer that computes the loss
};

/// One micro-batch of one pass.
struct MicroBatch {
  bool saves = true;               // forward saves what backward needs
  bool dropout = true;             // false: no layer drops anything
  std::uint32_t step = 0;          // training step, from 1
  std::uint64_t first_sample = 0;  // global number of its first sample
  std::int64_t samples = 0;
  std::int64_t sequence = 0;  // T; micro-batches may differ (ModelSpec::bucket)
  std::map<std::string, Tensor, std::less<>> contents;  // that the chunk's layers read
  std::vector<MicroBatchLoss> losses;                   // of the last chunk
  std::int64_t rows() const { return samples * sequence; }
  /// Throws Error if the chunk's layers do not say that they read it.
  const Tensor& content(std::string_view name) const;
  /// Throws Error for a loss that the model does not have.
  const MicroBatchLoss& loss(std::string_view name) const;
};

/// The context of one forward or backward call, or of the weight gradients of a micro-batch.
struct LayerContext {
  Stream& stream;
  Communicator& tensor;
  const MicroBatch& batch;
  const GradientSet& gradients;  // where weight gradients go
  bool accumulate = false;       // they are added to what the set has; else they overwrite it
};

/// The tensors that forward saves for backward. Each layer decides the order.
using Stash = std::vector<Tensor>;

/// Weight gradients to compute, in the order of add(). Instruction B computes each at once
/// (immediate); instruction I keeps them for W (deferred). Both run the same kernels in the same
/// order, so the bits are the same. A task writes to the gradients of the context that it runs in:
/// W runs in micro-batch order, so whoever runs it knows which set the micro-batch belongs to.
class WeightStash {
 public:
  using Task = std::function<void(LayerContext&)>;
  enum class Mode : std::uint8_t { immediate, deferred };
  explicit WeightStash(Mode mode) : mode_(mode) {}

  /// `inputs` are the tensors that the task keeps alive. Deferred tasks' inputs count as weight
  /// stashes. A task that runs at once is not stored: no memory is allocated for it.
  template <typename F>
  void add(LayerContext& context, std::initializer_list<Tensor> inputs, F&& task) {
    if (mode_ == Mode::immediate) {
      task(context);
    } else {
      defer(inputs, std::forward<F>(task));
    }
  }
  /// Runs and drops what was deferred.
  void run(LayerContext& context);
  bool empty() const { return tasks_.empty(); }

 private:
  void defer(std::span<const Tensor> inputs, Task task);

  Mode mode_;
  std::vector<Task> tasks_;
};

class Layer {
 public:
  virtual ~Layer() = default;
  /// x and the result are activations [rows, h]. x is empty for the first layer; the result is
  /// empty for the last, which computes the losses. Where batch.saves is false, nothing is saved.
  virtual Tensor forward(LayerContext& context, Tensor x, Stash& stash) = 0;
  /// dy is the gradient of forward's result; returns the gradient of x. Each is empty where the
  /// tensor in forward is. Weight gradients are added to `weights`; the layer's tensors are removed
  /// from the stash.
  virtual Tensor backward_input(LayerContext& context, Tensor dy, Stash& stash,
                                WeightStash& weights) = 0;
};

/// Work and memory of one micro-batch of one layer on one tensor rank.
struct LayerCost {
  double forward_flops = 0;  // of matrix products and attention, 2 per multiply-add
  double backward_input_flops = 0;
  double backward_weight_flops = 0;
  std::int64_t forward_sum_bytes = 0;   // all-reduced by F over the tensor axis if it has > 1 ranks
  std::int64_t backward_sum_bytes = 0;  // all-reduced by B or I
  std::int64_t stash_bytes = 0;         // live from F to B (or I)
  std::int64_t weight_stash_bytes = 0;  // live from I to W
  // Peak live memory within the instruction. Includes the layer's input, output and stashes, not
  // the workspace of operations.
  std::int64_t forward_bytes = 0;
  std::int64_t backward_bytes = 0;
  std::int64_t backward_input_bytes = 0;
};

/// The cost of two layers in sequence; backward runs them in reverse order.
LayerCost in_sequence(const LayerCost& first, const LayerCost& second);

/// The sizes on which a cost depends.
struct CostShape {
  std::int64_t samples = 0;        // of one micro-batch
  int tensor = 1;                  // ranks of the tensor axis
  DType compute = DType::float32;  // of activations
  std::int64_t activation_bytes() const { return size_of(compute); }
};

/// The arguments of LayerSpec::make.
struct LayerSetup {
  Stream& stream;
  const ParameterStore& parameters;
  ShardRange shards = {};  // that this rank holds
  std::uint64_t seed = 0;
};

/// One layer of a model: its parameters, its cost, and the function that creates it.
struct LayerSpec {
  std::string name;                     // "embedding", "block 3", "head"
  bool cut_before = true;               // whether a stage may begin with this layer
  std::vector<std::string> reads = {};  // contents of a micro-batch (MicroBatch::content)
  std::vector<ParameterUse> parameters;
  std::function<LayerCost(const CostShape&)> cost;
  std::function<std::unique_ptr<Layer>(const LayerSetup&)> make;
};

}  // namespace stagecraft
