#include "launch/commands/status_command.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>
#include <vector>

#include "launch/artifacts/output.h"
#include "launch/artifacts/result_file.h"
#include "launch/artifacts/run_boards.h"
#include "launch/config/config_file.h"
#include "stages/board/board_report.h"

namespace stagecraft {
namespace {

using Boards = std::vector<ProgressBoard>;

void print_status(const std::filesystem::path& run, const Boards& boards) {
  BoardReader reader = board_reader();
  reader.cause_elsewhere = first_cause(boards);
  std::string text = board_report(boards.front(), reader);
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

/// Of a run whose rank 0 could not write its result.
void write_failure(const std::filesystem::path& run, const Boards& boards) {
  const std::optional<Cause> cause = first_cause(boards);
  try {
    write_result(
        run,
        failed_outcome(run, cause ? cause->text
                                  : "no process recorded a cause; the run was ended from outside"));
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
  }
}

}  // namespace

int run_status(const std::filesystem::path& run) {
  const Boards boards = run_boards(run);
  if (boards.empty()) {
    throw BadInput(
        fmt::format("{} has no progress board; name the directory of a run, such as runs/first_run",
                    run.string()));
  }
  print_status(run, boards);
  return 0;
}

int run_result(const std::filesystem::path& run) {
  if (run_boards(run).empty()) {
    return kNeverBegun;
  }
  await_end(run_boards(run).front());
  const Boards boards = run_boards(run);  // with the copies that were left meanwhile
  const std::optional<RunOutcome> result = read_result(run);
  const Outcome outcome = result ? result->outcome : Outcome::failed;
  if (!result) {
    write_failure(run, boards);
  }
  if (outcome == Outcome::failed) {
    print_status(run, boards);
  }
  return exit_status(outcome);
}

}  // namespace stagecraft
