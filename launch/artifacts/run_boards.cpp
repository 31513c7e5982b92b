#include "launch/artifacts/run_boards.h"

#include <string>

#include "kernels/base/error.h"
#include "launch/artifacts/run_directory.h"

namespace stagecraft {
namespace fs = std::filesystem;
namespace {

bool is_copy(const fs::path& file, const fs::path& board) {
  const std::string name = file.filename().string();
  const std::string prefix = board.filename().string() + ".";
  return name.starts_with(prefix) && name.size() > prefix.size() &&
         name.find_first_not_of("0123456789", prefix.size()) == std::string::npos;
}

}  // namespace

std::vector<ProgressBoard> run_boards(const fs::path& run) {
  std::vector<ProgressBoard> boards;
  const fs::path first = progress_board_file(run);
  if (fs::exists(first)) {
    boards.push_back(ProgressBoard::open(first, MappedFile::Access::read));
  }
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(run, missing)) {
    if (is_copy(entry.path(), first)) {
      try {
        boards.push_back(ProgressBoard::open(entry.path(), MappedFile::Access::read));
      } catch (const Error&) {
        continue;
      }
    }
  }
  return boards;
}

std::optional<Cause> first_cause(const std::vector<ProgressBoard>& boards) {
  std::optional<Cause> first = boards.empty() ? std::nullopt : boards.front().cause();
  if (first) {
    return first;
  }
  for (const ProgressBoard& board : boards) {
    const std::optional<Cause> cause = board.cause();
    if (cause && (!first || cause->wall_ns < first->wall_ns)) {
      first = cause;
    }
  }
  return first;
}

}  // namespace stagecraft
