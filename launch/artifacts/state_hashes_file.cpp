#include "launch/artifacts/state_hashes_file.h"

#include <nlohmann/json.hpp>

namespace stagecraft {

std::string state_hashes_line(const StateHashReport& report,
                              const std::vector<std::string>& parameters) {
  using Json = nlohmann::ordered_json;
  Json tensors = Json::object();
  for (const StateHash& state : report.tensors) {
    const std::string& name = parameters.at(static_cast<std::size_t>(state.parameter));
    tensors[name].push_back(hash_text(state.hash));
  }
  return Json{{"step", report.step}, {"tensors", std::move(tensors)}}.dump();
}

}  // namespace stagecraft
