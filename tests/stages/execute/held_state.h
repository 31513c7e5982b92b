// The state of a work that computes nothing: it holds and owns whole parameters on the host.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "models/parameters/parameter_state.h"

namespace stagecraft::test {

class HeldState {
 public:
  HeldState() = default;
  explicit HeldState(std::vector<ParameterSpec> parameters) : parameters_(std::move(parameters)) {}

  void load(StateKind kind, const StateReader& reader) {
    for (const ParameterSpec& parameter : parameters_) {
      reader.read({parameter, kind, whole_box(parameter.shape)}, values(kind, parameter));
    }
  }
  void save(StateKind kind, StateWriter& writer) {
    for (const ParameterSpec& parameter : parameters_) {
      writer.write({parameter, kind, whole_box(parameter.shape)}, values(kind, parameter));
    }
  }

 private:
  std::vector<float>& values(StateKind kind, const ParameterSpec& parameter) {
    std::vector<float>& all = values_[{kind, parameter.name}];
    all.resize(static_cast<std::size_t>(elements_of(parameter.shape)));
    return all;
  }

  std::vector<ParameterSpec> parameters_;
  std::map<std::pair<StateKind, std::string>, std::vector<float>> values_;
};

}  // namespace stagecraft::test
