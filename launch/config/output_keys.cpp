#include "launch/config/output_keys.h"

#include "launch/config/key_binding.h"

namespace stagecraft {
namespace {

using enum KeyType;
using enum OnResume;

constexpr double kMaxTraceMib = 1048576;

constexpr auto kCheckpoint = &RunSettings::checkpoint;
constexpr auto kSession = &RunSettings::session;

}  // namespace

Keys checkpoint_keys() {
  return {
      key<kCheckpoint, &CheckpointConfig::every>(
          "checkpoint.every", integer, may_change,
          "Steps between checkpoints; 0: only when the run is stopped, asked for one, or ends",
          within(0, kMaxSteps)),
      key<kCheckpoint, &CheckpointConfig::every_minutes>(
          "checkpoint.every_minutes", real, may_change,
          "A checkpoint follows the first step that ends so long after the last one; 0: never",
          from(0)),
      key<kCheckpoint, &CheckpointConfig::keep>("checkpoint.keep", integer, may_change,
                                                "Checkpoints that stay: the last ones",
                                                within(1, kMaxSteps)),
      key<kCheckpoint, &CheckpointConfig::keep_every>(
          "checkpoint.keep_every", integer, may_change,
          "Checkpoints of steps that are a multiple of this stay too; 0: none",
          within(0, kMaxSteps)),
      computed(
          key<kCheckpoint, &CheckpointConfig::directory>(
              "checkpoint.directory", text, may_change, "Directory of the checkpoints; \"\": none"),
          "checkpoints in the run directory"),
  };
}

Keys metrics_keys() {
  return {
      key<kSession, &LaunchConfig::state_hash_every>(
          "metrics.state_hash_every", integer, may_change,
          "Steps between hashes of the training state in the metrics; 0: none, only checkpoints "
          "have "
          "them",
          within(0, kMaxSteps)),
  };
}

Keys trace_keys() {
  return {
      computed(key<kSession, &LaunchConfig::trace_file>("trace.file", text, may_change,
                                                        "Trace file for Perfetto; \"\": none"),
               "trace.json in the run directory"),
      key<kSession, &LaunchConfig::trace_steps>("trace.steps", integer, may_change,
                                                "Number of first steps in the trace",
                                                within(0, kMaxSteps)),
      among(key<kSession, &LaunchConfig::trace_ranks>(
                "trace.ranks", choice, may_change,
                "Ranks that are traced: one of each stage (data 0, tensor 0), or all"),
            {{"stages"}, {"all"}}),
      key<kSession, &LaunchConfig::trace_limit_mib>(
          "trace.limit_mib", integer, may_change,
          "Size in MiB that a rank's trace file may have; the rank records no more when it is "
          "reached",
          within(1, kMaxTraceMib)),
      key<kSession, &LaunchConfig::trace_calibrate>(
          "trace.calibrate", boolean, may_change,
          "Predict the traced steps from costs measured in the first of them, unless trace.cost is "
          "given"),
      computed(
          key<kSession, &LaunchConfig::trace_cost>(
              "trace.cost", text, may_change,
              "Costs in milliseconds, such as \"F=1.5,B=[3,4],U=2\", for the prediction of the "
              "traced "
              "steps and the search of parallel.schedule = \"auto\" (docs/prediction.md)"),
          "none")};
}

}  // namespace stagecraft
