// Parameters: listed once by name, global shape and cut; held in arenas in backward order.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernels/core/stream.h"
#include "tensor_parallel/sharding/shard_spec.h"

namespace stagecraft {

/// How a parameter starts.
struct Initializer {
  enum class Kind : std::uint8_t { normal, zeros, ones } kind = Kind::zeros;
  float deviation = 0;  // of the normal distribution around 0
};

/// One tensor of the model, whoever holds it.
struct ParameterSpec {
  std::string name;  // the hub's name, e.g. "h.0.attn.c_attn.weight"
  Shape shape;       // global, without padding
  ShardSpec shard;
  Initializer initial;
  bool decayed() const { return shape.size() >= 2; }
};

/// A parameter as one layer uses it. A tied parameter appears once per use, with different `use`s;
/// each use has a gradient of its own.
struct ParameterUse {
  ParameterSpec parameter;
  std::string use;  // "" unless tied: "embedding", "head"
};

/// This rank's part of one parameter.
struct Parameter {
  ParameterSpec spec;
  Tensor weight;           // local shape; float32, as are gradients and moments
  Tensor compute_weights;  // what layers compute with: `weight` itself, or its copy in bfloat16
  /// One per use on this stage, in the order of uses of the layer list; the first lies in the
  /// gradient arena.
  std::vector<std::string> uses;
  std::vector<Tensor> gradients;
  Tensor first_moment;
  Tensor second_moment;
};

/// All numbers of one stage, each arena in the same order. Parameters begin at multiples of
/// kDecayUnit (ops/adamw.h); what lies between is zero and stays so.
struct ParameterArenas {
  Tensor weights;
  Tensor compute_weights;  // the weights in bfloat16; empty where layers compute in float32
  Tensor gradients;
  Tensor first_moments;
  Tensor second_moments;
  Tensor decayed;  // the ranges that weight decay works on, as AdamW takes them
};

/// All parameters of one stage: weights, gradients and both moments in one arena each.
class ParameterStore {
 public:
  /// `uses` in model order; the arenas hold them in backward order. Moments are zero, weights
  /// undefined. `rank` of `ranks` on the tensor axis. Layers compute in `compute`, float32 or
  /// bfloat16.
  ParameterStore(Stream& stream, const std::vector<ParameterUse>& uses, int rank, int ranks,
                 DType compute = DType::float32);

  /// Throws Error for a name that is not of this stage.
  const Parameter& at(std::string_view name) const;
  /// The gradient of one use.
  const Tensor& gradient(std::string_view name, std::string_view use) const;
  /// In the order of the arenas.
  const std::vector<Parameter>& parameters() const { return parameters_; }
  /// Every gradient of the arena as one tensor, second uses left out.
  const Tensor& gradient_arena() const { return arenas_.gradients; }
  const ParameterArenas& arenas() const { return arenas_; }
  /// Once weights were written by others than the optimizer: brings what layers compute with up to
  /// date.
  void round_weights(Stream& stream) const;

 private:
  std::vector<Parameter> parameters_;
  std::map<std::string, std::size_t, std::less<>> index_;
  ParameterArenas arenas_;
};

/// The parameters of `uses`, each once, in the order of their first uses.
std::vector<ParameterSpec> parameters_of(const std::vector<ParameterUse>& uses);

/// Bytes that one parameter costs on a rank: weight, gradients of `uses` uses, two moments.
struct ParameterBytes {
  std::int64_t weights = 0, gradients = 0, optimizer = 0;
};
ParameterBytes parameter_bytes(const std::vector<ParameterUse>& uses, int rank, int ranks,
                               DType compute = DType::float32);

/// Draws the starting values on the host, the same for every device: element i of the global tensor
/// is number i of the sequence (seed, name), whatever the cut; padding is zero.
void initialize(Stream& stream, const Parameter& parameter, std::uint64_t seed, int rank,
                int ranks);

}  // namespace stagecraft
