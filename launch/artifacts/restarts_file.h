// RUN/restarts.jsonl: one row for each start of a run that went on. See
// docs/file_formats/result.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace stagecraft {

struct Restart {
  std::int64_t from_step = 0;  // the checkpoint's; 0: the run began at step 1 again
  std::string earlier;         // the outcome of the earlier start; "killed": it left none
  std::int64_t steps = 0;      // that the earlier start had completed
  std::string cause;           // of its failure
  friend bool operator==(const Restart&, const Restart&) = default;
};

/// Appends a row. Throws Error with the path.
void add_restart(const std::filesystem::path& run, const Restart& restart);

/// All whole rows; none if there is no file.
std::vector<Restart> read_restarts(const std::filesystem::path& run);

/// A JSON list with a restart on each line.
std::string restart_lines(const std::vector<Restart>& restarts);

}  // namespace stagecraft
