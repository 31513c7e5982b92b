// The files of earlier starts of a run that goes on. See docs/file_formats/run_directory.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace stagecraft {

/// The rows that a checkpoint comes behind.
struct KeptRows {
  std::int64_t step = 0;        // the last one; 0: none is kept
  bool evaluation_due = false;  // without the evaluation that follows this step
};

/// Shortens RUN/metrics.jsonl or RUN/state_hashes.jsonl to the rows that are kept, in one call of
/// the file system. A row that was not written whole, and all that follow it, are cut too. Returns
/// how many rows were cut; nothing happens if there is no file. Throws Error with the path.
std::int64_t cut_rows(const std::filesystem::path& file, const KeptRows& kept);

/// Cuts the rows behind the checkpoint, moves what a start makes anew (result, board, traces,
/// model) to RUN/earlier/N, where N counts from 1, and adds the row of this start to
/// RUN/restarts.jsonl. Returns what was done, in sentences. Throws Error with the path.
std::vector<std::string> prepare_files(const std::filesystem::path& run, const KeptRows& kept);

}  // namespace stagecraft
