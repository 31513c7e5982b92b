// Parameters: each specified once with its name, global shape and sharding; stored in arenas in
// backward order.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernels/core/stream.h"
#include "tensor_parallel/sharding/shard_spec.h"

namespace stagecraft {

/// The initial values of a parameter.
struct Initializer {
  enum class Kind : std::uint8_t { normal, zeros, ones } kind = Kind::zeros;
  float deviation = 0;  // of the normal distribution around 0
};

/// One parameter tensor of the whole model.
struct ParameterSpec {
  std::string name;  // the hub's name, e.g. "h.0.attn.c_attn.weight"
  Shape shape;       // global, without padding
  ShardSpec shard;
  Initializer initial;
  bool decayed() const { return shape.size() >= 2; }
};

/// One layer's use of a parameter. A tied parameter occurs once for each use, with different `use`
/// names, and each use has its own gradient.
struct ParameterUse {
  ParameterSpec parameter;
  std::string use;  // "" unless tied: "embedding", "head"
};

/// This rank's part of one parameter.
struct Parameter {
  ParameterSpec spec;
  std::vector<ShardBox> boxes;  // where its elements lie in the whole tensor
  Tensor weight;                // local shape; float32, as are gradients and moments
  Tensor compute_weights;       // for the layers: `weight` itself, or its copy in bfloat16
  /// One name and one gradient for each use on this stage, in the order of the layer list. The
  /// first gradient is in the gradient arena.
  std::vector<std::string> uses;
  std::vector<Tensor> gradients;
  Tensor first_moment;
  Tensor second_moment;
};

/// The arenas of one stage, all in the same order. Parameters begin at multiples of kDecayUnit
/// (ops/adamw.h); the elements between them are zero and stay zero.
struct ParameterArenas {
  Tensor weights;
  Tensor compute_weights;  // the weights in bfloat16; empty if layers compute in float32
  Tensor gradients;
  Tensor first_moments;
  Tensor second_moments;
  Tensor decayed;  // the ranges with weight decay, in AdamW's format
};

/// All parameters of one stage: one arena each for weights, gradients and both moments.
class ParameterStore {
 public:
  /// `uses` is in model order; the arenas are in backward order. Moments are zero, weights
  /// undefined. `rank` of `ranks` is on the tensor axis. Layers compute in `compute`, float32 or
  /// bfloat16.
  ParameterStore(Stream& stream, const std::vector<ParameterUse>& uses, int rank, int ranks,
                 DType compute = DType::float32);

  /// Throws Error if this stage has no parameter of the name.
  const Parameter& at(std::string_view name) const;
  /// The gradient of one use.
  const Tensor& gradient(std::string_view name, std::string_view use) const;
  /// In the order of the arenas.
  const std::vector<Parameter>& parameters() const { return parameters_; }
  /// The gradient arena as one tensor; it holds the first use of each parameter.
  const Tensor& gradient_arena() const { return arenas_.gradients; }
  const ParameterArenas& arenas() const { return arenas_; }
  /// Updates the bfloat16 compute weights from the weights. Call it after writing weights without
  /// the optimizer.
  void round_weights(Stream& stream) const;

 private:
  std::vector<Parameter> parameters_;
  std::map<std::string, std::size_t, std::less<>> index_;
  ParameterArenas arenas_;
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
