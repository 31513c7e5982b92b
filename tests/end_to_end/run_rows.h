// The rows of a run's metrics, without what no two runs have in common.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace stagecraft::test {

inline std::vector<std::string> rows_without_times(const std::filesystem::path& run) {
  std::ifstream file(run / "metrics.jsonl");
  std::vector<std::string> rows;
  for (std::string row; std::getline(file, row);) {
    rows.push_back(row.substr(0, row.find(", \"step_seconds\"")));
  }
  return rows;
}

}  // namespace stagecraft::test
