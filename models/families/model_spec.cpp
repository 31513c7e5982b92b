#include "models/families/model_spec.h"

#include <algorithm>
#include <set>

#include "kernels/base/error.h"

namespace stagecraft {

std::vector<ParameterSpec> ModelSpec::parameters() const {
  std::vector<ParameterUse> uses;
  for (const LayerSpec& layer : layers) {
    uses.insert(uses.end(), layer.parameters.begin(), layer.parameters.end());
  }
  return parameters_of(uses);
}

std::optional<ParameterSpec> ModelSpec::tied_parameter() const {
  std::set<std::string> seen;
  for (const LayerSpec& layer : layers) {
    for (const ParameterUse& use : layer.parameters) {
      if (!seen.insert(use.parameter.name).second) {
        return use.parameter;
      }
    }
  }
  return {};
}

std::int64_t ModelSpec::parameter_count() const {
  std::int64_t count = 0;
  for (const ParameterSpec& spec : parameters()) {
    count += elements_of(spec.shape);
  }
  return count;
}

std::vector<ContentSpec> ModelSpec::contents_of(int first, int last) const {
  std::set<std::string> read;
  for (int i = first; i < last; ++i) {
    const LayerSpec& layer = layers.at(static_cast<std::size_t>(i));
    for (const std::string& name : layer.reads) {
      const bool known = std::any_of(contents.begin(), contents.end(),
                                     [&](const ContentSpec& spec) { return spec.name == name; });
      require(known, layer.name,
              "a micro-batch has no content \"{}\"; name it in the family's contents", name);
      read.insert(name);
    }
  }
  std::vector<ContentSpec> found;
  std::copy_if(contents.begin(), contents.end(), std::back_inserter(found),
               [&](const ContentSpec& spec) { return read.contains(spec.name); });
  return found;
}

std::int64_t ModelSpec::sequence_of(const Samples& samples) const {
  if (!bucket) {
    return sequence;
  }
  const std::int64_t own = bucket(samples);
  require(own >= 1 && own <= sequence, "ModelSpec",
          "the family gives a micro-batch a sequence of {}, outside of 1 .. {}", own, sequence);
  return own;
}

LossCounts ModelSpec::counts(const Samples& samples) const {
  LossCounts all;
  for (const LossSpec& loss : losses) {
    all.push_back(loss.count(samples));
  }
  return all;
}

}  // namespace stagecraft
