#include "kernels/base/nearest.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace stagecraft {
namespace {

// Longer words are no misspelling, and the distance costs their length.
constexpr std::size_t kLongestWord = 100;

std::string_view leaf_of(std::string_view name) {
  const std::size_t dot = name.find('.');
  return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

}  // namespace

int edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<int>> best(a.size() + 1, std::vector<int>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        best[i][j] = static_cast<int>(i + j);
        continue;
      }
      const int replaced = best[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      best[i][j] = std::min({best[i - 1][j] + 1, best[i][j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        best[i][j] = std::min(best[i][j], best[i - 2][j - 2] + 1);
      }
    }
  }
  return best[a.size()][b.size()];
}

std::string nearest(std::string_view word, std::span<const std::string> words) {
  int least = std::numeric_limits<int>::max();
  std::string found;
  for (const std::string& candidate : words) {
    const int distance = edit_distance(word.substr(0, kLongestWord), candidate);
    if (distance < least) {
      least = distance;
      found = candidate;
    }
  }
  return found;
}

std::string nearest_key(std::string_view name, std::span<const std::string> names) {
  for (const std::string& candidate : names) {
    if (leaf_of(candidate) == leaf_of(name)) {
      return candidate;
    }
  }
  return nearest(name, names);
}

}  // namespace stagecraft
