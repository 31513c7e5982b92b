#include "launch/commands.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "kernels/base/file.h"
#include "launch/config_text.h"
#include "launch/plan_report.h"
#include "launch/progress.h"
#include "launch/run_summary.h"
#include "launch/signals.h"
#include "launch/toml_reader.h"
#include "launch/trace_file.h"
#include "models/checkpoint/model_file.h"

namespace stagecraft {
namespace {

int cores() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

int picture_columns() {
  constexpr int kWithoutTerminal = 100;
  winsize size = {};
  const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? std::max<int>(size.ws_col, 40) : kWithoutTerminal;
}

TextData text_of(const ConfigFile& config, const ResolvedRun& run) {
  return with_places(config,
                     [&] { return load_text(run.settings.data, run.settings.model.sequence); });
}

/// The weights to start from, if any, are there, whole and of the right shapes.
void check_initial_model(const ConfigFile& config, const ResolvedRun& run) {
  const std::string& folder = run.settings.model.init_from;
  if (!folder.empty()) {
    with_places(config, [&] { InitialModel(run.plan.model, folder); });
  }
}

/// The configuration with the words that were set, so that a suggestion changes one thing alone.
std::string command_words(const ConfigFile& config, const ConfigOptions& options) {
  std::string words = config.name;
  for (const std::string& override_text : options.overrides) {
    words += fmt::format(" --set '{}'", override_text);
  }
  return words;
}

RunConfig run_config(const RunSettings& settings, const RunDirectory& directory) {
  RunConfig config;
  config.optimizer = settings.optimizer;
  config.seed = static_cast<std::uint64_t>(settings.session.seed);
  config.order = settings.data.order;
  config.eval_every = settings.session.eval_every;
  config.eval_batches = settings.session.eval_batches;
  config.threads = settings.session.threads;
  config.watchdog_seconds = settings.session.watchdog_seconds;
  config.trace_steps = settings.session.trace_file->empty() ? 0 : settings.session.trace_steps;
  config.model_folder = directory.model();
  config.progress_board = directory.progress_board();
  return config;
}

void write_trace(const RunSettings& settings, const RunResult& result) {
  const std::string& file = *settings.session.trace_file;
  if (!file.empty()) {
    write_file(file, trace_json(result.ranks, result.trace_origin_ns));
  }
}

// Where an actor still runs, destructors would pull the data from under it.
[[noreturn]] void end_at_once() {
  std::fflush(nullptr);
  std::_Exit(1);
}

int report_failure(const RunResult& result, const RunDirectory& directory) {
  fmt::print(stderr, "the run failed: {}\nwhat was measured until then is in {}\n", result.failure,
             directory.path().string());
  if (result.actor_lost) {
    end_at_once();
  }
  return 1;
}

int run(const std::string& words, const ResolvedRun& resolved_run, const TextData& text) {
  const RunSettings& settings = resolved_run.settings;
  watch_stop_signals();
  RunDirectory directory(settings.session.directory, resolved_toml(settings, resolved_run.sources));
  check_trace_file(*settings.session.trace_file, directory);
  Progress progress({settings.optimizer.steps, resolved_run.plan.flops_per_step}, directory, stdout,
                    ::isatty(STDOUT_FILENO) == 1);
  const RunResult result =
      run_training(resolved_run.plan, run_config(settings, directory), text, progress);
  directory.keep();
  progress.finish_line();
  write_trace(settings, result);
  if (!result.failure.empty()) {
    return report_failure(result, directory);
  }
  fmt::print("{}", run_summary(resolved_run, result, directory, words));
  return 0;
}

}  // namespace

int train(const ConfigOptions& options) {
  const ConfigFile config = read_config(options.file, options.overrides);
  const ResolvedRun resolved_run = resolve(config, cores());
  const TextData text = text_of(config, resolved_run);
  fmt::print("{}\n", plan_report(resolved_run, text, picture_columns()));
  std::fflush(stdout);
  return with_places(config,
                     [&] { return run(command_words(config, options), resolved_run, text); });
}

int check(const ConfigOptions& options, bool resolved) {
  const ConfigFile config = read_config(options.file, options.overrides);
  const ResolvedRun resolved_run = resolve(config, cores());
  const TextData text = text_of(config, resolved_run);
  check_initial_model(config, resolved_run);
  fmt::print("{}", resolved ? resolved_toml(resolved_run.settings, resolved_run.sources)
                            : plan_report(resolved_run, text, picture_columns()));
  return 0;
}

int config_reference() {
  fmt::print("{}", configuration_page());
  return 0;
}

}  // namespace stagecraft
