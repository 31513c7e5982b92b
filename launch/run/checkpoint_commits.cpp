#include "launch/run/checkpoint_commits.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <exception>
#include <utility>

#include "launch/format/units.h"
#include "models/checkpoint/checkpoint_folder.h"

namespace stagecraft {
namespace {

std::int64_t bytes_of(const CheckpointManifest& manifest) {
  std::int64_t bytes = 0;
  for (const CheckpointFile& file : manifest.files) {
    bytes += file.bytes;
  }
  return bytes;
}

}  // namespace

CheckpointCommits::CheckpointCommits(CheckpointCommitsSetup setup) : setup_(std::move(setup)) {
  try {
    if (!setup_.directory.empty() && setup_.files->exists(setup_.directory)) {
      discard_unfinished(*setup_.files, setup_.directory);
    }
  } catch (const std::exception& error) {
    setup_.say(fmt::format("an unfinished checkpoint of an earlier run cannot be removed: {}",
                           error.what()));
  }
}

void CheckpointCommits::on_checkpoint(const CheckpointReport& report) {
  work_.add([this, report] { commit(report); });
}

void CheckpointCommits::on_checkpoint_failed(const CheckpointFailure& failure) {
  work_.add([this, failure] { discard(failure); });
}

void CheckpointCommits::on_model_written(const std::filesystem::path& /*folder*/) {
  model_written_ = true;
}

void CheckpointCommits::commit(const CheckpointReport& report) noexcept {
  try {
    CheckpointManifest manifest = report.manifest;
    manifest.settings = setup_.identity.settings;
    manifest.origin = setup_.identity.origin;
    manifest.different_bits = setup_.identity.different_bits;
    setup_.sync_rows();
    commit_checkpoint(*setup_.files, report.unfinished, manifest);
    setup_.say(fmt::format("checkpoint of step {} in {}: {} in {}", manifest.step,
                           checkpoint_folder(setup_.directory, manifest.step).string(),
                           bytes_text(bytes_of(manifest)), seconds_text(report.seconds)));
    tell_of_waiting(report);
  } catch (const std::exception& error) {
    return discard({report.unfinished, report.manifest.step, error.what()});
  }
  prune();
}

/// Once: it holds for every checkpoint of the run.
void CheckpointCommits::tell_of_waiting(const CheckpointReport& report) {
  if (report.ranks_without_copy.empty() || std::exchange(told_of_waiting_, true)) {
    return;
  }
  setup_.say(
      fmt::format("training waits while a checkpoint is written: no memory of the host for "
                  "a copy of the state of rank {}; free 12 bytes for each parameter that a "
                  "rank saves",
                  fmt::join(report.ranks_without_copy, ", ")));
}

void CheckpointCommits::prune() noexcept {
  try {
    prune_checkpoints(*setup_.files, setup_.directory, setup_.keep);
  } catch (const std::exception& error) {
    setup_.say(
        fmt::format("an old checkpoint cannot be removed, and the run goes on: {}", error.what()));
  }
}

void CheckpointCommits::discard(const CheckpointFailure& failure) noexcept {
  discard_checkpoint(*setup_.files, failure.unfinished);
  last_failure_ = failure.text;
  setup_.say(fmt::format("the checkpoint of step {} cannot be written, and the run goes on: {}",
                         failure.step, failure.text));
}

void CheckpointCommits::finish(RunResult& result) {
  work_.finish();
  if (!result.failure.empty() || !result.stopped_early || model_written_ ||
      setup_.directory.empty()) {
    return;
  }
  const std::filesystem::path last = checkpoint_folder(setup_.directory, result.steps);
  if (!setup_.files->exists(last)) {
    result.failure = fmt::format(
        "the run was stopped after step {}, and its checkpoint is not "
        "written: {}",
        result.steps, last_failure_.empty() ? last.string() + " is missing" : last_failure_);
  }
}

}  // namespace stagecraft
