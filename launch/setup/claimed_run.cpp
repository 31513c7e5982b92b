#include "launch/setup/claimed_run.h"

#include <fmt/format.h>

#include <utility>

#include "kernels/base/posix_file_system.h"
#include "launch/artifacts/earlier_files.h"
#include "launch/setup/resolve.h"
#include "models/checkpoint/checkpoint_folder.h"

namespace stagecraft {
namespace {

RunDirectory claimed(const ConfigFile& config, const RunHolder& holder) {
  const std::string& named = config.settings.session.directory;
  return named.empty() ? RunDirectory::first_free(kRuns, run_name(config), holder)
                       : RunDirectory(named, holder);
}

/// Another process may have gone on with the run, and ended, before the claim.
void check_is_as_read(const EarlierRun& earlier) {
  PosixFileSystem files;
  const bool keeps_any = !earlier.checkpoints.empty();
  const std::int64_t step = keeps_any ? newest_checkpoint(files, earlier.checkpoints) : 0;
  if (step != earlier.step()) {
    throw ConfigError("run.directory",
                      fmt::format("another process has gone on with the run in {}; start it again",
                                  earlier.directory.string()));
  }
  if (keeps_any) {
    discard_checkpoints_after(files, earlier.checkpoints, step);
  }
}

ClaimedRun reopened(const EarlierRun& earlier, const RunHolder& holder) {
  ClaimedRun run{RunDirectory::reopened(earlier.directory, holder), {}};
  check_is_as_read(earlier);
  const bool due = earlier.checkpoint && earlier.checkpoint->manifest().evaluation_due;
  run.notes = prepare_files(earlier.directory, {earlier.step(), due});
  return run;
}

}  // namespace

ClaimedRun claim_run(const ConfigFile& config, int process,
                     const std::optional<EarlierRun>& earlier, RunSettings& settings) {
  const RunHolder holder{.run = config.name, .process = process};
  ClaimedRun run = earlier ? reopened(*earlier, holder) : ClaimedRun{claimed(config, holder), {}};
  enter_directory(config, run.directory.path(), settings);
  return run;
}

}  // namespace stagecraft
