// Where a run begins: with step 1, or behind a checkpoint of an earlier start.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "launch/setup/earlier_run.h"
#include "launch/setup/origin.h"
#include "launch/setup/resolve.h"
#include "launch/setup/run_identity.h"

namespace stagecraft {

/// What the command line says of it.
struct StartOptions {
  std::string resume = {};  // directory of the run that goes on; "": run.directory tells
  std::vector<std::string> allowed = {};  // keys that may have another value, whatever the bits
  std::string from = {};                  // of earlier_run(), passed on by launch/train
  bool await_claim = false;               // wait for a directory that another host has claimed
};

struct RunStart {
  /// Null: the run begins with step 1.
  std::shared_ptr<const CheckpointSource> checkpoint;
  RunIdentity identity;
  std::vector<std::string> lines;  // for the person who starts the run; empty: it is a new one
};

/// Enters --resume in the configuration, and what the run keeps. Empty for a new run. Throws
/// BadInput for a --resume that holds no run, for unknown keys in `allowed`, and, unless it is
/// `claimed` for this run already, for a directory that a living run holds.
std::optional<EarlierRun> begin_with(const StartOptions& options, bool claimed, ConfigFile& config);

/// Decides where the run begins. Throws ConfigError for a run that has finished, and for a
/// configuration, data or checkpoint that it cannot go on with.
RunStart start_of(const ResolvedRun& run, const Origin& origin,
                  const std::optional<EarlierRun>& earlier,
                  const std::vector<std::string>& allowed);

/// The newest of runs/NAME, runs/NAME-2, ... that was stopped behind a checkpoint and holds it
/// still, and how to go on with it: `command` and --resume. Empty if there is none, or the
/// configuration names a directory.
std::vector<std::string> stopped_run_lines(const ConfigFile& config, const std::string& command);

}  // namespace stagecraft
