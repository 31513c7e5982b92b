#include "launch/setup/run_start.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "kernels/base/posix_file_system.h"
#include "launch/artifacts/claim_wait.h"
#include "launch/artifacts/run_directory.h"
#include "launch/format/print.h"
#include "models/checkpoint/checkpoint_folder.h"
#include "models/checkpoint/checkpoint_reader.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;

constexpr const char* kData = "data.train";

/// Another run's checkpoints would be mixed with this one's, and removed by checkpoint.keep.
void check_checkpoints_are_free(const fs::path& checkpoints) {
  if (checkpoints.empty()) {
    return;
  }
  PosixFileSystem files;
  const std::vector<std::int64_t> steps = checkpoint_steps(files, checkpoints);
  if (!steps.empty()) {
    throw ConfigError("checkpoint.directory",
                      fmt::format("{} holds checkpoints of another run, the newest of step {}; "
                                  "choose another directory, or go on with that run by --resume",
                                  checkpoints.string(), steps.back()));
  }
}

/// Refuses a run that has nothing left to do.
void check_is_unfinished(const EarlierRun& earlier, std::int64_t steps) {
  const std::string directory = earlier.directory.string();
  if (earlier.result && earlier.result->outcome == Outcome::finished) {
    const std::int64_t done = earlier.result->steps;
    if (done >= steps) {
      throw ConfigError("run.directory train.steps",
                        fmt::format("{} holds a finished run of {} steps; raise train.steps to go "
                                    "on with it, or choose another directory",
                                    directory, done));
    }
    if (!earlier.checkpoint) {
      throw ConfigError("run.directory",
                        fmt::format("{} holds a finished run of {} steps without a checkpoint to "
                                    "go on from; choose another directory",
                                    directory, done));
    }
  }
  if (earlier.step() > steps) {
    throw ConfigError("train.steps run.directory",
                      fmt::format("train.steps is {}, and the newest checkpoint of {} is of step "
                                  "{}; raise train.steps",
                                  steps, directory, earlier.step()));
  }
}

/// "data was X and is Y" if they differ and may; "" if they are the same.
std::string changed_data(const Origin& was, const Origin& is,
                         const std::vector<std::string>& allowed) {
  const auto before = was.find("data");
  if (before == was.end() || before->second == is.at("data")) {
    return "";
  }
  std::string text = fmt::format("data was {} and is {}", before->second, is.at("data"));
  if (std::find(allowed.begin(), allowed.end(), kData) == allowed.end()) {
    throw ConfigError(kData, fmt::format("the texts are not those of the run that goes on: {}; "
                                         "restore them, or accept other bits with --allow {}",
                                         text, kData));
  }
  return text;
}

/// What moves bits of the steps behind the checkpoint; "" if nothing does.
std::string reason_of_other_bits(const CheckpointManifest& manifest, const RunIdentity& now,
                                 const std::vector<std::string>& allowed) {
  std::string text;
  for (const std::string& part :
       {changes_that_move_bits(key_changes(manifest.settings, now.settings)),
        changed_data(manifest.origin, now.origin, allowed),
        moved_origin(manifest.origin, now.origin)}) {
    text += (text.empty() || part.empty() ? "" : ", ") + part;
  }
  return text;
}

/// Differences behind the checkpoint were of steps that are computed again.
std::vector<DifferentBits> differences_before(const CheckpointManifest& manifest) {
  std::vector<DifferentBits> kept = manifest.different_bits;
  std::erase_if(kept, [&](const DifferentBits& one) { return one.step > manifest.step; });
  return kept;
}

void go_on(const EarlierRun& earlier, const ResolvedRun& run,
           const std::vector<std::string>& allowed, RunStart& start) {
  const CheckpointManifest& manifest = earlier.checkpoint->manifest();
  check_tensors(manifest, run.plan.model, earlier.folder);
  start.checkpoint = earlier.checkpoint;
  start.identity.different_bits = differences_before(manifest);
  std::string line = fmt::format("{} goes on from its checkpoint of step {}",
                                 earlier.directory.string(), manifest.step);
  const std::string reason = reason_of_other_bits(manifest, start.identity, allowed);
  if (!reason.empty()) {
    start.identity.different_bits.push_back({manifest.step + 1, reason});
    line +=
        fmt::format("; from step {} on its bits may differ from those of a run without stops: {}",
                    manifest.step + 1, reason);
  }
  start.lines.push_back(line);
}

/// Whether a run of this directory can go on: the step of its checkpoint; 0: it cannot.
std::int64_t step_to_go_on_from(ConfigFile config, const fs::path& directory) {
  try {
    config.settings.session.directory = directory.string();
    const std::optional<EarlierRun> run = earlier_run(config);
    const bool finished = run && run->result && run->result->outcome == Outcome::finished;
    return run && !finished && claim_holder(directory).empty() ? run->step() : 0;
  } catch (const std::exception&) {  // of no run that this program can read
    return 0;
  }
}

}  // namespace

std::optional<EarlierRun> begin_with(const StartOptions& options, bool claimed,
                                     ConfigFile& config) {
  return with_locations(config, [&]() -> std::optional<EarlierRun> {
    check_allowed(options.allowed);
    if (!options.resume.empty()) {
      config.settings.session.directory = options.resume;
      config.locations["run.directory"] = {.text = "--resume " + options.resume};
    }
    if (!claimed) {
      if (options.await_claim) {
        await_claim(config.settings.session.directory,
                    [](const std::string& line) { print_or_drop(stderr, line + "\n"); });
      }
      check_is_unheld(config.settings.session.directory);
    }
    std::optional<EarlierRun> earlier = earlier_run(config, options.from);
    if (earlier) {
      keep_settings(*earlier, config);
    } else if (!options.resume.empty()) {
      throw ConfigError("run.directory",
                        fmt::format("{} holds no run: it has no config.toml", options.resume));
    }
    return earlier;
  });
}

RunStart start_of(const ResolvedRun& run, const Origin& origin,
                  const std::optional<EarlierRun>& earlier,
                  const std::vector<std::string>& allowed) {
  RunStart start;
  start.identity.settings = key_values(run.settings);
  start.identity.origin = origin;
  if (!earlier) {
    check_checkpoints_are_free(run.settings.checkpoint.directory.value_or(""));
    return start;
  }
  check_is_unfinished(*earlier, run.settings.optimizer.steps);
  check_changes(key_changes(earlier->settings, start.identity.settings), allowed);
  start.lines = earlier->damaged;
  if (earlier->checkpoint) {
    go_on(*earlier, run, allowed, start);
  } else {
    start.lines.push_back(fmt::format("{} has no whole checkpoint: its run begins at step 1 again",
                                      earlier->directory.string()));
  }
  return start;
}

std::vector<std::string> stopped_run_lines(const ConfigFile& config, const std::string& command) {
  if (!config.settings.session.directory.empty()) {
    return {};
  }
  const std::vector<fs::path> runs = run_directories(kRuns, run_name(config));
  for (auto run = runs.rbegin(); run != runs.rend(); ++run) {
    const std::int64_t step = step_to_go_on_from(config, *run);
    if (step > 0) {
      return {
          fmt::format("{} has stopped, with a checkpoint of step {}; to go on with it: "
                      "launch/train {} --resume {}",
                      run->string(), step, command, run->string())};
    }
  }
  return {};
}

}  // namespace stagecraft
