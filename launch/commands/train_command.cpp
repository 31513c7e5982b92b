#include "launch/commands/train_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <future>
#include <memory>
#include <thread>

#include "actors/protocol/run_report.h"
#include "actors/run/run_training.h"
#include "kernels/base/file.h"
#include "kernels/core/device_report.h"
#include "launch/artifacts/result_file.h"
#include "launch/config/toml_reader.h"
#include "launch/format/print.h"
#include "launch/format/terminal_width.h"
#include "launch/report/config_text.h"
#include "launch/report/join_trace.h"
#include "launch/report/plan_report.h"
#include "launch/report/run_summary.h"
#include "launch/run/checkpoint_commits.h"
#include "launch/run/exit_now.h"
#include "launch/run/progress.h"
#include "launch/run/run_files.h"
#include "launch/run/signals.h"
#include "launch/run/trace_recording.h"
#include "launch/run/train_rank.h"
#include "launch/setup/checkpoint_space.h"
#include "launch/setup/claimed_run.h"
#include "launch/setup/gpu_environment.h"
#include "launch/setup/mpi_environment.h"
#include "launch/setup/thread_check.h"

namespace stagecraft {
namespace {

GpuSharing gpu_sharing(bool allowed) {
  GpuSharing sharing{.allowed = allowed};
  if (const auto me = mpi_environment()) {
    sharing.local_rank = me->local_rank;
    sharing.local_size = me->local_size;
  }
  return sharing;
}

RunConfig run_config(const ResolvedRun& run, const std::filesystem::path& directory,
                     const RunStart& start, const TrainOptions& options) {
  const RunSettings& settings = run.settings;
  RunConfig config;
  config.options = settings.run;
  config.optimizer = settings.optimizer;
  config.order = settings.data.order;
  config.devices = run.devices.devices;
  config.prime = run.devices.on_gpus();
  config.threads = settings.session.threads;
  config.stop_requested = stop_signalled;
  config.save_requested = take_save_signal;
  config.model_folder = model_folder(directory);
  config.checkpoint = settings.checkpoint;
  config.checkpoints = settings.checkpoint.directory.value_or("");
  config.resume = start.checkpoint;
  config.state_hash_every = settings.session.state_hash_every;
  config.progress_board = progress_board_file(directory);
  if (options.adjust) {
    options.adjust(config);
  }
  return config;
}

void print_lines(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) {
    print_or_drop(stdout, line + "\n");
  }
}

void print_failure(const std::string& cause, const RunDirectory& directory) {
  print_or_drop(stderr, fmt::format("the run failed: {}\nits measurements so far are in {}\n",
                                    cause, directory.path().string()));
}

/// The watchdog ends a process in which an actor, an observer or the driver is stuck. What is stuck
/// may be the disk, so the wait for the result is bounded.
[[noreturn]] void end_stuck(const std::string& cause, const RunDirectory& directory) {
  print_failure(cause, directory);
  const auto written = std::make_shared<std::promise<void>>();
  std::thread([written, cause, run = directory.path()] {
    record_outcome(run, failed_outcome(run, cause));
    written->set_value();
  }).detach();
  written->get_future().wait_for(std::chrono::seconds(2));
  exit_now(exit_status(Outcome::failed));
}

/// The first cause comes first; what fails behind it is said behind it.
int report_failure(const RunResult& result, const RunDirectory& directory) {
  print_failure(result.failure, directory);
  record_outcome(directory.path(), outcome_of(result));
  if (result.actor_lost) {
    exit_now(exit_status(Outcome::failed));
  }
  return exit_status(Outcome::failed);
}

/// The input of one process's run.
struct Inputs {
  const ConfigFile& config;
  const std::string& words;  // command_words()
  const std::optional<EarlierRun>& earlier;
  const TextData& text;
};

int train_threads(const Inputs& inputs, ResolvedRun& resolved_run, RunStart& start,
                  const TrainOptions& options) {
  const RunSettings& settings = resolved_run.settings;
  check_threads(resolved_run);
  ClaimedRun claimed = claim_run(inputs.config, ::getpid(), inputs.earlier, resolved_run.settings);
  start.identity.settings = key_values(settings);
  print_lines(claimed.notes);
  RunDirectory& directory = claimed.directory;
  check_trace_file(*settings.session.trace_file);
  directory.write_config(resolved_toml(settings, resolved_run.sources));
  Progress progress({settings.optimizer.steps, resolved_run.plan.flops_per_step}, stdout,
                    !options.plain && ::isatty(STDOUT_FILENO) == 1);
  const auto say = [&progress](const std::string& line) { progress.say(line); };
  RunConfig config = run_config(resolved_run, directory.path(), start, options);
  RunFiles files(directory, {config.files, parameter_names(resolved_run.plan.model), say});
  CheckpointCommits commits({.files = config.files,
                             .directory = config.checkpoints,
                             .keep = config.checkpoint,
                             .identity = start.identity,
                             .sync_rows = [&files] { files.sync(); },
                             .say = say});
  record_traces(config, resolved_run, [&progress](int rank, const std::string& why) {
    progress.say(fmt::format("rank {}: {}", rank, why));
  });
  config.end_process = [&](const std::string& cause) { end_stuck(cause, directory); };
  RunResult result =
      run_training(resolved_run.plan, config, inputs.text, {files, progress, commits});
  directory.keep();
  files.flush();
  commits.finish(result);
  progress.finish_line();
  if (!result.failure.empty()) {
    return report_failure(result, directory);
  }
  const RunOutcome outcome = outcome_of(result);
  if (!record_outcome(directory.path(), outcome)) {
    return exit_status(Outcome::failed);
  }
  progress.flush();
  const std::string trace = join_at_end(resolved_run.plan, settings.session);
  print_or_drop(stdout, run_summary(resolved_run, result, directory, trace, inputs.words));
  return exit_status(outcome.outcome);
}

/// Refuses a run whose checkpoints have no room.
void print_plan(const ResolvedRun& run, const TextData& text, const RunStart& start) {
  const std::int64_t step = start.checkpoint ? start.checkpoint->manifest().step : 0;
  std::string plan = plan_report(run, text, terminal_width(), step);
  if (const std::optional<CheckpointSpace> space = checkpoint_space(run)) {
    check_checkpoint_space(*space);
    plan += checkpoint_space_text(*space);
  }
  print_or_drop(stdout, plan + "\n");
}

/// Delays the message of ranks other than 0. A mistake that concerns all ranks is then reported
/// once, by rank 0, whose end ends the others. A mistake on this rank's host alone is still
/// reported.
void leave_the_word_to_rank_0() {
  if (const auto me = mpi_environment(); me && me->rank != 0) {
    std::this_thread::sleep_for(std::chrono::seconds(2));
  }
}

/// Whether the run directory is claimed before this process looks at it.
bool is_claimed(const TrainOptions& options) {
  const std::optional<MpiEnvironment> me = mpi_environment();
  return !options.claim.empty() || (me && me->rank != 0);
}

/// Processes go on with a run whose directory was made ready before any of them started.
void check_is_ready(const std::optional<EarlierRun>& earlier, const TrainOptions& options) {
  if (earlier && !is_claimed(options)) {
    throw ConfigError("run.mode",
                      fmt::format("{} holds an earlier run, with which processes go on when "
                                  "launch/train starts them; run it with the same arguments",
                                  earlier->directory.string()));
  }
}

int train_as_configured(const TrainOptions& options) {
  ConfigFile config = read_config(options.config.file, options.config.overrides);
  const std::optional<EarlierRun> earlier = begin_with(options.start, is_claimed(options), config);
  ResolvedRun run = resolve(config, host_cores(), count_gpus, gpu_sharing(options.share_gpu));
  const std::string words = command_words(config, options.config);
  return with_locations(config, [&] {
    const bool processes = run.settings.session.mode == "mpi";
    const bool first = !processes || mpi_rank(run.plan) == 0;
    const TextData text = text_of(config, run);
    set_saves_on_signal(!run.settings.checkpoint.directory.value_or("").empty());
    RunStart start = start_of(run, origin_of(run, text), earlier, options.start.allowed);
    if (first) {
      print_lines(start.lines);
      print_lines(options.notes);
      print_lines(stopped_run_lines(config, words));
      print_plan(run, text, start);
    }
    if (processes) {
      check_is_ready(earlier, options);
      train_rank(
          run, text, run_config(run, run.settings.session.directory, start, options),
          {words, options.interface, options.claim, options.plain, start.identity, start.lines});
    }
    return train_threads({config, words, earlier, text}, run, start, options);
  });
}

}  // namespace

int train(const TrainOptions& options) {
  if (const auto me = mpi_environment()) {
    watch_signals_of_rank();
    set_gpu_environment(me->rank, options.share_gpu);
  } else {
    watch_signals();
    ignore_file_size_signal();
  }
  try {
    return train_as_configured(options);
  } catch (const BadInput&) {
    leave_the_word_to_rank_0();
    throw;
  }
}

}  // namespace stagecraft
