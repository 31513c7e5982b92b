#include "models/families/model_spec.h"

#include <set>

namespace stagecraft {

std::vector<ParameterSpec> ModelSpec::parameters() const {
  std::vector<ParameterSpec> specs;
  std::set<std::string> seen;
  for (const LayerSpec& layer : layers) {
    for (const ParameterUse& use : layer.parameters) {
      if (seen.insert(use.parameter.name).second) {
        specs.push_back(use.parameter);
      }
    }
  }
  return specs;
}

std::int64_t ModelSpec::parameter_count() const {
  std::int64_t count = 0;
  for (const ParameterSpec& spec : parameters()) {
    count += elements_of(spec.shape);
  }
  return count;
}

}  // namespace stagecraft
