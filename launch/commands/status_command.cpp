#include "launch/commands/status_command.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "kernels/base/mapped_file.h"
#include "launch/artifacts/output.h"
#include "launch/artifacts/run_directory.h"
#include "launch/config/config_file.h"
#include "stages/board/board_report.h"

namespace stagecraft {
namespace {

void print_status(const std::filesystem::path& run, const ProgressBoard& board) {
  std::string text = board_report(board, board_reader());
  const std::filesystem::path logs = run / "logs";
  if (std::filesystem::exists(logs)) {
    text += fmt::format("Logs      {}\n", logs.string());
  }
  print_output(text);
}

/// Without mpirun the processes end on their own within a few seconds (actors/failure/watchdog.h).
void await_end(const ProgressBoard& board) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::seconds(8);
  while (anybody_lives(board, board_reader()) && Clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace

int run_status(const std::filesystem::path& run) {
  const std::filesystem::path file = progress_board_file(run);
  if (!std::filesystem::exists(file)) {
    throw BadInput(
        fmt::format("{} has no progress board; name the directory of a run, such as runs/first_run",
                    run.string()));
  }
  print_status(run, ProgressBoard::open(file, MappedFile::Access::read));
  return 0;
}

int last_words(const std::filesystem::path& run) {
  const std::filesystem::path file = progress_board_file(run);
  if (!std::filesystem::exists(file)) {
    return 1;
  }
  const ProgressBoard board = ProgressBoard::open(file, MappedFile::Access::read);
  await_end(board);
  if (!ended_well(board)) {
    print_status(run, board);
  }
  return 0;
}

}  // namespace stagecraft
