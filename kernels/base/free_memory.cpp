#include "kernels/base/free_memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

#include "kernels/base/control_groups.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;

/// The number behind a word that begins a line.
std::optional<std::int64_t> number_behind(const fs::path& file, const std::string& word) {
  std::ifstream lines(file);
  for (std::string first; lines >> first;) {
    std::int64_t number = 0;
    if (first == word && lines >> number) {
      return number;
    }
    lines.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return {};
}

/// A group without a limit writes a word, or a number beyond all memory.
std::optional<std::int64_t> number_in(const fs::path& file) {
  std::int64_t number = 0;
  return std::ifstream(file) >> number ? std::optional(number) : std::nullopt;
}

/// What a group grants beyond its use. Files that were not used of late are dropped for it.
std::optional<std::int64_t> left_in(const fs::path& group) {
  const bool second = fs::exists(group / "memory.max");
  const auto limit = number_in(group / (second ? "memory.max" : "memory.limit_in_bytes"));
  const auto used = number_in(group / (second ? "memory.current" : "memory.usage_in_bytes"));
  const auto unused =
      number_behind(group / "memory.stat", second ? "inactive_file" : "total_inactive_file");
  return limit && used ? std::optional(*limit - *used + unused.value_or(0)) : std::nullopt;
}

}  // namespace

std::int64_t free_memory(const fs::path& root) {
  const std::optional<std::int64_t> kib = number_behind(root / "proc/meminfo", "MemAvailable:");
  std::int64_t bytes = kib ? *kib << 10 : std::numeric_limits<std::int64_t>::max();
  for (const fs::path& group : control_groups("memory", root)) {
    bytes = std::min(bytes, left_in(group).value_or(bytes));
  }
  return std::max<std::int64_t>(bytes, 0);
}

}  // namespace stagecraft
