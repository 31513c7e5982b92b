#include "launch/run/train_rank.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <optional>

#include "actors/protocol/run_report.h"
#include "actors/run/run_rank.h"
#include "kernels/base/span.h"
#include "launch/artifacts/rank_log.h"
#include "launch/artifacts/result_file.h"
#include "launch/format/print.h"
#include "launch/report/config_text.h"
#include "launch/report/join_trace.h"
#include "launch/report/run_summary.h"
#include "launch/run/checkpoint_commits.h"
#include "launch/run/exit_now.h"
#include "launch/run/host_board.h"
#include "launch/run/progress.h"
#include "launch/run/request_filter.h"
#include "launch/run/run_files.h"
#include "launch/run/signals.h"
#include "launch/run/trace_recording.h"
#include "launch/setup/mpi_environment.h"
#include "launch/setup/open_files.h"
#include "launch/setup/thread_check.h"

namespace stagecraft {
namespace {

/// This process from entering the board to its end.
class RankRun {
 public:
  RankRun(const ResolvedRun& run, const RunConfig& config, const RankOptions& words, int rank)
      : run_(run),
        config_(config),
        words_(words),
        rank_(rank),
        stage_(coordinate_of(run.plan.mesh, rank).pipeline),
        host_(board_info(run.plan, config.options.watchdog_seconds),
              board_place(config.progress_board)),
        board_(host_.board()),
        log_(config.progress_board.parent_path() / "logs", rank, stage_) {
    show_signals_on(*board_, rank);
    config_.stop_requested = [board = board_] { return board->stop_requested(); };
    config_.save_requested = [board = board_, filter = RequestFilter()]() mutable {
      return board->take_save_request() && filter.is_new(now_ns());
    };
    if (rank != 0) {
      log_.take_output();
    }
    log_.info(fmt::format("process {} on {}", ::getpid(), host_name()));
    record_traces(config_, run, [this](int, const std::string& text) { log_.info(text); });
    watch_.emplace(WatchdogSetup{.board = board_,
                                 .own_rank = rank,
                                 .ranks_here = host_.ranks_here(),
                                 .end_process = [this](const std::string&) { end_failed(); }});
  }

  /// After a failure only end_failed() may be called.
  RunResult train(const TextData& text, const RunObservers& observers) {
    try {
      start_session();
      const RankProcess process{*session_, board_, *watch_, address_of_interface(words_.interface),
                                host_.relay()};
      RunResult result = run_rank(run_.plan, config_, text, observers, process);
      log_.info(result.failure.empty() ? "all steps are complete" : result.failure);
      return result;
    } catch (const std::exception& error) {
      board_->name_cause(rank_, fmt::format("{}: {}", location_text(*board_, rank_), error.what()));
      RunResult result;
      result.failure = error.what();
      return result;
    }
  }

  void end_well() {
    board_->slot(rank_).set(Activity::closing);
    session_.reset();
    watch_.reset();
    host_.end();
    log_.info("the process ends");
  }

  /// The run's first cause: `failure`, unless the board has one already.
  std::string first_cause(const std::string& failure) {
    board_->name_cause(rank_, failure);
    const std::optional<Cause> cause = board_->cause();
    return cause ? cause->text : failure;
  }

  void log(const std::string& text) { log_.info(text); }

  /// Destroys nothing, because threads may still use it. mpirun ends the other processes.
  [[noreturn]] void end_failed() {
    host_.keep_copy();
    const std::optional<Cause> cause = board_->cause();
    log_.error(cause ? cause->text : "the run has failed; no process could record the cause");
    exit_now(exit_status(Outcome::failed));
  }

  /// Waits while rank 0 writes its files. mpirun ends this process when rank 0 has ended; otherwise
  /// the watchdog ends it.
  [[noreturn]] static void await_the_end() {
    while (true) {
      ::pause();
    }
  }

 private:
  void start_session() {
    const std::string& transport = run_.settings.session.transport;
    board_->slot(rank_).set(Activity::joining);
    session_ = start_mpi({.shared_windows = transport != "mpi"});
    ignore_file_size_signal();
    for (int other = 0; other < session_->size(); ++other) {
      require(transport != "window" || session_->shares_windows_with(other), "run.transport",
              "ranks {} and {} are on different hosts and cannot share a window; set "
              "run.transport = \"auto\"",
              rank_, other);
    }
    host_.meet_others(*session_);
    log_.info(fmt::format("all {} ranks have started", session_->size()));
  }

  const ResolvedRun& run_;
  RunConfig config_;
  const RankOptions& words_;
  int rank_;
  int stage_;
  HostBoard host_;
  std::shared_ptr<ProgressBoard> board_;
  RankLog log_;
  std::optional<Watchdog> watch_;
  std::unique_ptr<MpiSession> session_;
};

[[noreturn]] void train_first(const ResolvedRun& run, const TextData& text, const RunConfig& config,
                              const RankOptions& words, RunDirectory& directory) {
  Progress progress({run.settings.optimizer.steps, run.plan.flops_per_step}, stdout,
                    !words.plain && ::isatty(STDOUT_FILENO) == 1);
  directory.keep();  // other ranks open the board in it from now on
  RankRun rank_run(run, config, words, 0);
  for (const std::string& line : words.start_lines) {
    rank_run.log(line);
  }
  const auto say = [&](const std::string& line) {
    progress.say(line);
    rank_run.log(line);
  };
  RunFiles files(directory, {config.files, parameter_names(run.plan.model), say});
  CheckpointCommits commits({.files = config.files,
                             .directory = config.checkpoints,
                             .keep = config.checkpoint,
                             .identity = words.identity,
                             .sync_rows = [&files] { files.sync(); },
                             .say = say});
  RunResult result = rank_run.train(text, {files, progress, commits});
  files.flush();
  commits.finish(result);
  progress.finish_line();
  if (!result.failure.empty()) {
    result.failure = rank_run.first_cause(result.failure);
    print_or_drop(stderr, fmt::format("the run failed: {}\n", result.failure));
    record_outcome(directory.path(), outcome_of(result));
    rank_run.end_failed();
  }
  rank_run.end_well();
  if (!record_outcome(directory.path(), outcome_of(result))) {
    rank_run.first_cause("result.json could not be written");
    rank_run.end_failed();
  }
  progress.flush();
  const std::string trace = join_at_end(run.plan, run.settings.session);
  print_or_drop(stdout, run_summary(run, result, directory, trace, words.configuration));
  directory.release();
  exit_now(0);
}

[[noreturn]] void train_other(const ResolvedRun& run, const TextData& text, const RunConfig& config,
                              const RankOptions& words, int rank) {
  RankRun rank_run(run, config, words, rank);
  if (!rank_run.train(text, {}).failure.empty()) {
    RankRun::await_the_end();
  }
  rank_run.end_well();
  exit_now(0);
}

/// Ranks of other hosts write into the run directory without waiting to see what rank 0 makes
/// there.
void check_directory_is_held(const RankOptions& words) {
  if (words.claim.empty() && mpi_environment().value_or(MpiEnvironment{}).several_hosts()) {
    throw ConfigError("run.mode",
                      "a run over several hosts needs its directory before its ranks start; run "
                      "launch/train with the same arguments");
  }
}

/// launch/train has claimed the directory; who starts mpirun by hand has not.
RunDirectory held_directory(const std::filesystem::path& path, const RankOptions& words) {
  const RunHolder holder{.run = words.configuration};
  return words.claim.empty() ? RunDirectory(path, holder)
                             : RunDirectory::taken_over(path, words.claim, holder);
}

}  // namespace

int mpi_rank(const TrainingPlan& plan) {
  const std::optional<MpiEnvironment> me = mpi_environment();
  if (!me) {
    throw ConfigError("run.mode",
                      "with run.mode = \"mpi\" every rank is a process that mpirun starts; run "
                      "launch/train with the same arguments");
  }
  if (me->size != plan.mesh.ranks()) {
    throw ConfigError("parallel.pipeline parallel.tensor parallel.data",
                      fmt::format("the plan has {} ranks and mpirun started {} processes; run "
                                  "launch/train with the same arguments, which starts as many as "
                                  "needed",
                                  plan.mesh.ranks(), me->size));
  }
  return me->rank;
}

void train_rank(const ResolvedRun& run, const TextData& text, const RunConfig& config,
                const RankOptions& words) {
  const int rank = mpi_rank(run.plan);
  check_directory_is_held(words);
  raise_open_files(open_files_of_rank(run.plan, rank));
  check_threads(run);
  if (rank != 0) {
    train_other(run, text, config, words, rank);
  }
  RunDirectory directory = held_directory(run.settings.session.directory, words);
  check_trace_file(*run.settings.session.trace_file);
  directory.write_config(resolved_toml(run.settings, run.sources));
  train_first(run, text, config, words, directory);
}

}  // namespace stagecraft
