// Columns of text, aligned: numbers to the right, the last column to the left.
#pragma once

#include <string>
#include <vector>

namespace stagecraft {

class TextTable {
 public:
  explicit TextTable(std::vector<std::string> head) : rows_{std::move(head)} {}
  /// REQUIRES: as many cells as the head has.
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  /// Head and rows, each line indented by two and ended.
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace stagecraft
