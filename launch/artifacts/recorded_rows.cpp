#include "launch/artifacts/recorded_rows.h"

#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

namespace stagecraft {
namespace {

using Json = nlohmann::ordered_json;

void for_each_row(const std::filesystem::path& path,
                  const std::function<void(std::int64_t step, const Json& row)>& take) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const Json row = Json::parse(line, nullptr, false);
    if (row.is_object() && row.contains("step") && row["step"].is_number_integer()) {
      take(row["step"].get<std::int64_t>(), row);
    }
  }
}

bool is_time(const std::string& key) {
  return key == "step" || key == "step_seconds" || key == "tokens_per_second";
}

std::vector<TensorHashes> hashes_in(const Json& tensors) {
  std::vector<TensorHashes> all;
  for (const auto& [name, hashes] : tensors.items()) {
    TensorHashes tensor{.name = name, .hashes = {}};
    for (std::size_t kind = 0; hashes.is_array() && kind < hashes.size() && kind < 3; ++kind) {
      tensor.hashes.at(kind) = hashes[kind].is_string() ? hashes[kind].get<std::string>() : "";
    }
    all.push_back(std::move(tensor));
  }
  return all;
}

}  // namespace

std::map<std::int64_t, StepValues> recorded_metrics(const std::filesystem::path& file) {
  std::map<std::int64_t, StepValues> steps;
  for_each_row(file, [&](std::int64_t step, const Json& row) {
    for (const auto& [key, value] : row.items()) {
      if (!is_time(key)) {
        steps[step][key] = value.dump();
      }
    }
  });
  return steps;
}

std::map<std::int64_t, std::vector<TensorHashes>> recorded_hashes(
    const std::filesystem::path& file) {
  std::map<std::int64_t, std::vector<TensorHashes>> steps;
  for_each_row(file, [&](std::int64_t step, const Json& row) {
    if (row.contains("tensors") && row["tensors"].is_object()) {
      steps[step] = hashes_in(row["tensors"]);
    }
  });
  return steps;
}

}  // namespace stagecraft
