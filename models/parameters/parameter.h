// Parameters: each specified once with its name, global shape and sharding; stored in arenas by
// chunk, in backward order.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernels/core/stream.h"
#include "models/parameters/gradient_set.h"
#include "tensor_parallel/sharding/shard_spec.h"

namespace stagecraft {

/// The initial values of a parameter.
struct Initializer {
  enum class Kind : std::uint8_t { normal, zeros, ones } kind = Kind::zeros;
  float deviation = 0;  // of the normal distribution around 0
};

/// The mesh axes over which a gradient is summed. Each tensor rank has the whole gradient of what
/// it holds, unless its layer computes a part of it there.
struct GradientAxes {
  bool tensor = false;
  bool data = true;
  friend bool operator==(const GradientAxes&, const GradientAxes&) = default;
};

/// One parameter tensor of the whole model.
struct ParameterSpec {
  // The name in this program, e.g. "h.0.attn.c_attn.weight". Random numbers, checkpoints and hashes
  // follow from it; files of a family may have other names (families/weight_names.h).
  std::string name;
  Shape shape;  // global, without padding
  ShardSpec shard;
  Initializer initial;
  GradientAxes summed_over = {};
  bool decayed() const { return shape.size() >= 2; }
};

/// One layer's use of a parameter. A tied parameter occurs once for each use, with different `use`
/// names, and each use has its own gradient.
struct ParameterUse {
  ParameterSpec parameter;
  std::string use;  // "" unless tied: "embedding", "head"
  bool tied() const { return !use.empty(); }
};

/// Elements [begin, end) of an arena, or of a rank's part of a parameter.
struct ElementRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  friend bool operator==(const ElementRange&, const ElementRange&) = default;
};

/// This rank's part of one parameter.
struct Parameter {
  ParameterSpec spec;
  ElementRange place;           // in the arenas
  std::vector<ShardBox> boxes;  // where its elements lie in the whole tensor
  Tensor weight;                // local shape; float32, as are gradients and moments
  Tensor compute_weights;       // for the layers: `weight` itself, or its copy in bfloat16
  /// One name for each use on this stage, in the order of the layer list. Their gradients follow
  /// each other in a GradientSet from `first_use` on; the first lies in the set's arena.
  std::vector<std::string> uses;
  UseIndex first_use;
  Tensor first_moment;
  Tensor second_moment;

  bool tied() const { return !uses.front().empty(); }
};

/// One tensor each for all parameters of a stage, in the same order. Parameters begin at multiples
/// of kDecayUnit (ops/adamw.h); the elements between them are zero and stay zero.
struct ParameterArenas {
  Tensor weights;
  Tensor compute_weights;  // the weights in bfloat16; empty if layers compute in float32
  Tensor gradients;
  Tensor first_moments;
  Tensor second_moments;
};

/// A part of the gradients that is summed over these axes.
struct GradientSum {
  ElementRange range;  // in the arenas
  GradientAxes axes;
};

/// All parameters of one stage. The parameters of a chunk follow each other, so that their
/// gradients can be reduced together; the last chunk comes first, and its last layer, as backward
/// completes them. Tied parameters, whose gradients are complete last, come last.
class ParameterStore {
 public:
  /// `chunks` has the uses of each chunk, in model order. Moments are zero, weights undefined.
  /// `rank` of `ranks` is on the tensor axis. Layers compute in `compute`, float32 or bfloat16.
  /// `on_progress` is called before each block of memory is set: progress for a watchdog, however
  /// large the stage is.
  ParameterStore(
      Stream& stream, const std::vector<std::vector<ParameterUse>>& chunks, int rank, int ranks,
      DType compute = DType::float32, const std::function<void()>& on_progress = [] {});

  /// Throws Error if this stage has no parameter of the name.
  const Parameter& at(std::string_view name) const;
  /// The number of one use in gradients() and in every set of make_gradients().
  UseIndex use(std::string_view name, std::string_view use) const;
  /// The gradients that the optimizer reads. Their arena is that of arenas().
  const GradientSet& gradients() const { return gradients_; }
  /// A further set with the layout of gradients(), zero.
  GradientSet make_gradients(Stream& stream) const;
  /// In the order of the arenas.
  const std::vector<Parameter>& parameters() const { return parameters_; }
  const ParameterArenas& arenas() const { return arenas_; }
  /// The gradients of a chunk, by its position in the constructor's list: each range with equal
  /// axes once, tied parameters left out.
  const std::vector<GradientSum>& sums_of_chunk(std::size_t chunk) const { return sums_.at(chunk); }
  /// The gradients of tied parameters; of each the first use.
  const std::vector<GradientSum>& tied_sums() const { return sums_.back(); }
  /// Updates the bfloat16 compute weights from the weights. Call it after writing weights without
  /// the optimizer.
  void round_weights(Stream& stream) const;

 private:
  std::vector<Parameter> parameters_;
  std::map<std::string, std::size_t, std::less<>> index_;
  std::vector<std::vector<GradientSum>> sums_;  // by chunk, then of tied parameters
  ParameterArenas arenas_;
  GradientSet gradients_;
};

/// The parameters of `uses`, each once, in the order of their first uses.
std::vector<ParameterSpec> parameters_of(const std::vector<ParameterUse>& uses);

/// Bytes of all parameters in `uses` on one rank: weights, gradients of every use, two moments.
struct ParameterBytes {
  std::int64_t weights = 0, gradients = 0, optimizer = 0;
};
ParameterBytes parameter_bytes(const std::vector<ParameterUse>& uses, int rank, int ranks,
                               DType compute = DType::float32);

}  // namespace stagecraft
