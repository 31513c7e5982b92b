// A run whose ranks are the processes that mpirun started, for benchmarks that compare it with
// threads. It does the same as `stagecraft train` with run.mode = "mpi", without files.
#pragma once

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include "actors/protocol/run_config.h"
#include "actors/protocol/run_report.h"
#include "actors/run/run_rank.h"
#include "launch/setup/mpi_environment.h"

namespace stagecraft::bench {

/// The path of the progress board, the same for all ranks of one mpirun on this host.
inline std::filesystem::path board_path() {
  return std::filesystem::temp_directory_path() /
         ("stagecraft-benchmark-" + std::to_string(::getppid()));
}

/// Rank 0 creates the board. The other ranks sleep until the board exists, so that rank 0 can first
/// measure threads.
inline std::shared_ptr<ProgressBoard> meet(const TrainingPlan& plan, int rank, double watchdog) {
  const std::filesystem::path file = board_path();
  if (rank == 0) {
    BoardInfo info = board_info(plan, watchdog);
    info.launcher_process = ::getppid();
    return std::make_shared<ProgressBoard>(ProgressBoard::create(info, file));
  }
  while (!std::filesystem::exists(file)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return std::make_shared<ProgressBoard>(ProgressBoard::open(file, MappedFile::Access::write));
}

/// Ends the process without destructors, as every rank has to (actors/run/run_rank.h).
[[noreturn]] inline void end_rank(int status) {
  std::fflush(nullptr);
  std::_Exit(status);
}

/// Collective; call it once in a process's life. Returns only on rank 0, which calls end_rank() at
/// its end.
inline RunResult run_as_processes(const TrainingPlan& plan, const RunConfig& config,
                                  const TextData& text, const RunObservers& observers) {
  const int rank = mpi_environment().value_or(MpiEnvironment{}).rank;
  const auto board = meet(plan, rank, config.options.watchdog_seconds);
  board->slot(rank).enter();
  RunResult result;
  {
    Watchdog watchdog(
        {.board = board, .own_rank = rank, .end_process = [](const std::string&) { end_rank(1); }});
    const auto session = start_mpi({});
    if (rank == 0) {
      std::filesystem::remove(board_path());
    }
    result = run_rank(plan, config, text, observers,
                      {.session = *session, .board = board, .watchdog = watchdog});
  }
  board->slot(rank).set(Activity::ended);
  if (rank != 0) {
    end_rank(result.failure.empty() ? 0 : 1);
  }
  return result;
}

}  // namespace stagecraft::bench
