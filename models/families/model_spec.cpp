#include "models/families/model_spec.h"

#include <set>

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

}  // namespace stagecraft
