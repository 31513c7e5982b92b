#include "kernels/base/text_table.h"

#include <fmt/format.h>

#include <algorithm>

namespace stagecraft {

std::string TextTable::text() const {
  std::vector<std::size_t> widths(rows_.front().size());
  for (const auto& row : rows_) {
    for (std::size_t column = 0; column < row.size(); ++column) {
      widths[column] = std::max(widths[column], row[column].size());
    }
  }
  const std::size_t last = widths.size() - 1;
  std::string text;
  for (const auto& row : rows_) {
    for (std::size_t column = 0; column < last; ++column) {
      text += fmt::format("  {:>{}}", row[column], widths[column]);
    }
    text += fmt::format("  {}\n", row[last]);
  }
  return text;
}

}  // namespace stagecraft
