#include "launch/train_rank.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <thread>

#include "actors/cast.h"
#include "actors/run_rank.h"
#include "launch/config_text.h"
#include "launch/launched.h"
#include "launch/process_log.h"
#include "launch/progress.h"
#include "launch/run_summary.h"
#include "launch/signals.h"
#include "launch/trace_file.h"

namespace stagecraft {
namespace {

using Board = std::shared_ptr<ProgressBoard>;

/// Rank 0's board of this very run; a folder may still hold that of an earlier one.
bool is_ours(const ProgressBoard& board) {
  constexpr std::int64_t kFresh_ns = 60'000'000'000;
  return board.slot(0).host() == host_name()
             ? board.info().launcher_process == ::getppid()
             : wall_clock_ns() - board.created_wall_ns() < kFresh_ns;
}

std::optional<ProgressBoard> try_open(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) {
    return {};
  }
  ProgressBoard board = ProgressBoard::open(path, MappedFile::Access::write);
  return is_ours(board) ? std::optional(std::move(board)) : std::nullopt;
}

/// Rank 0 may come later than this process.
Board await_board(const std::filesystem::path& path, double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::duration<double>(seconds);
  while (Clock::now() < deadline) {
    if (auto board = try_open(path)) {
      return std::make_shared<ProgressBoard>(std::move(*board));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  throw Error(path.string(),
              fmt::format("rank 0 has made no progress board within {} s (run.watchdog_seconds); "
                          "is the run directory on a file system that all hosts share?",
                          seconds));
}

Board make_board(const TrainingPlan& plan, const RunConfig& config) {
  BoardInfo info = board_info(plan, config.watchdog_seconds);
  info.launcher_process = ::getppid();
  return std::make_shared<ProgressBoard>(ProgressBoard::create(info, config.progress_board));
}

/// What a rank other than 0 has to say goes to its log.
struct Silent : RunObserver {
  void on_step(const StepReport& /*report*/) override {}
};

[[noreturn]] void end_at_once() {
  std::fflush(nullptr);
  std::_Exit(1);
}

class RankRun {
 public:
  RankRun(const ResolvedRun& run, const RunConfig& config, const RankWords& words, int rank)
      : run_(run),
        config_(config),
        words_(words),
        rank_(rank),
        board_(rank == 0 ? make_board(run.plan, config)
                         : await_board(config.progress_board, config.watchdog_seconds)),
        log_(config.progress_board.parent_path() / "logs", rank,
             place_of(run.plan.mesh, rank).pipeline) {
    board_->slot(rank).enter();
    dismiss_on_termination(board_->slot(rank));
    if (rank != 0) {
      log_.take_output();
    }
    log_.info(fmt::format("process {} on {}", ::getpid(), host_name()));
  }

  RunResult train(const TextData& text, RunObserver& observer) {
    Watch watch({.board = board_, .own_rank = rank_, .end_process = [this] { end_failed(); }});
    try {
      return train_watched(text, observer, watch);
    } catch (const std::exception& error) {
      board_->name_cause(
          rank_, fmt::format("stage {}, rank {}, {}: {}", place_of(run_.plan.mesh, rank_).pipeline,
                             rank_, place_text(board_->slot(rank_).view()), error.what()));
      await_the_end();
    }
  }

  /// Nothing that another process could wait for is left.
  void end() {
    board_->slot(rank_).set(Activity::ended);
    log_.info("the run has ended");
  }

  [[noreturn]] void end_failed() {
    const std::optional<Cause> cause = board_->cause();
    log_.error(cause ? cause->text : "the run has failed, and whoever found out died of it");
    end_at_once();
  }

 private:
  RunResult train_watched(const TextData& text, RunObserver& observer, Watch& watch) {
    const std::string address = address_of_interface(words_.interface);
    const auto session = start_mpi({.shared_windows = run_.settings.session.transport != "mpi"});
    check_transport(*session);
    log_.info(fmt::format("all {} ranks have started", session->size()));
    const RankProcess process{*session, board_, watch, address};
    RunResult result = run_rank(run_.plan, config_, text, observer, process);
    if (!result.failure.empty() && rank_ != 0) {
      await_the_end();
    }
    if (!result.failure.empty()) {
      // MPI is not finalised, nor what uses it ended.
      static_cast<void>(new auto(std::move(result)));
      write_trace_of_failure();
      end_failed();
    }
    return result;
  }

  void check_transport(const MpiSession& session) const {
    for (int other = 0; other < session.size(); ++other) {
      if (run_.settings.session.transport == "window" && !session.shares_windows_with(other)) {
        throw ConfigError("run.transport",
                          fmt::format("ranks {} and {} are on different hosts and share no window; "
                                      "take run.transport = \"auto\"",
                                      rank_, other));
      }
    }
  }

  void write_trace_of_failure() {}

  /// Rank 0 may still have something to write; the watch ends this process, or mpirun does when
  /// rank 0 has ended.
  [[noreturn]] static void await_the_end() {
    while (true) {
      ::pause();
    }
  }

  const ResolvedRun& run_;
  const RunConfig& config_;
  const RankWords& words_;
  int rank_;
  Board board_;
  ProcessLog log_;
};

}  // namespace
}  // namespace stagecraft
