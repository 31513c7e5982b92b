#include "launch/commands/check_command.h"

#include "launch/artifacts/output.h"
#include "launch/artifacts/run_directory.h"
#include "launch/config/toml_reader.h"
#include "launch/format/terminal_width.h"
#include "launch/report/config_text.h"
#include "launch/report/plan_json.h"
#include "launch/report/plan_report.h"
#include "launch/setup/checkpoint_space.h"
#include "launch/setup/claimed_run.h"
#include "models/checkpoint/initial_model.h"

namespace stagecraft {
namespace {

/// Checks that the initial weights, if any, exist, are complete and have the right shapes.
void check_initial_model(const ConfigFile& config, const ResolvedRun& run) {
  const std::string& folder = run.settings.model.init_from;
  if (!folder.empty()) {
    with_locations(config, [&] { InitialModel(run.plan.model, folder); });
  }
}

/// What launch/train asks for.
struct Start {
  const StartOptions& options;
  const HostOptions& hosts;
  const std::optional<EarlierRun>& earlier;
  std::string command;  // command_words()
};

/// With processes, the run directory is claimed and made ready before any of them is started.
std::string claim_lines(const ConfigFile& config, const Start& start, ResolvedRun& run) {
  std::vector<std::string> notes = stopped_run_lines(config, start.command);
  ClaimedRun claimed = claim_run(config, start.hosts.holder, start.earlier, run.settings);
  check_trace_file(*run.settings.session.trace_file);
  notes.insert(notes.end(), claimed.notes.begin(), claimed.notes.end());
  const std::string lines = directory_lines(claimed.directory) + shared_lines(run, start.hosts) +
                            start_lines(start.earlier, notes);
  claimed.directory.hand_on();
  return lines;
}

std::string launch_lines(const ConfigFile& config, const Start& start, const TextData& text,
                         ResolvedRun& run) {
  std::string lines = mpirun_arguments(run, start.hosts);
  if (run.settings.session.mode == "mpi" && start.hosts.holder != 0) {
    start_of(run, {{"data", data_origin(text)}}, start.earlier, start.options.allowed);
    lines += claim_lines(config, start, run);
  }
  return lines;
}

/// The plan in one of its forms.
std::string plan_output(const ResolvedRun& run, const TextData& text, CheckOutput output) {
  return output == CheckOutput::resolved ? resolved_toml(run.settings, run.sources)
         : output == CheckOutput::json   ? plan_json(run)
                                         : plan_report(run, text, terminal_width());
}

}  // namespace

int check(const ConfigOptions& options, const StartOptions& start, CheckOutput output,
          const HostOptions& hosts) {
  ConfigFile config = read_config(options.file, options.overrides);
  // Only the check for launch/train, which precedes a run, counts GPUs; others touch no device.
  const bool launch = output == CheckOutput::launch;
  const CountGpus count = launch ? count_gpus : CountGpus();
  const std::optional<EarlierRun> earlier =
      launch ? begin_with(start, false, config) : std::optional<EarlierRun>();
  ResolvedRun run =
      resolve(config, host_cores(), count, {.allowed = hosts.share_gpu, .local_size = 0});
  const TextData text = text_of(config, run);
  if (!earlier || !earlier->checkpoint) {
    check_initial_model(config, run);
  }
  const std::optional<CheckpointSpace> space = checkpoint_space(run);
  if (launch) {
    with_locations(config, [&] {
      if (space) {
        check_checkpoint_space(*space);
      }
      print_output(
          launch_lines(config, {start, hosts, earlier, command_words(config, options)}, text, run));
    });
  } else {
    print_output(plan_output(run, text, output) +
                 (space && output == CheckOutput::plan ? checkpoint_space_text(*space) : ""));
  }
  return 0;
}

}  // namespace stagecraft
