#include "launch/commands/check_command.h"

#include "launch/artifacts/output.h"
#include "launch/artifacts/run_directory.h"
#include "launch/config/toml_reader.h"
#include "launch/format/terminal_width.h"
#include "launch/report/config_text.h"
#include "launch/report/plan_json.h"
#include "launch/report/plan_report.h"
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

/// With processes, the run directory is claimed before any of them is started.
void print_launch(const ConfigFile& config, ResolvedRun& run, const HostOptions& hosts) {
  std::string text = mpirun_arguments(run, hosts);
  if (run.settings.session.mode != "mpi" || hosts.holder == 0) {
    return print_output(text);
  }
  RunDirectory directory = claim_run_directory(config, hosts.holder, run.settings);
  check_trace_file(*run.settings.session.trace_file);
  print_output(text + directory_lines(directory));
  directory.hand_on();
}

}  // namespace

int check(const ConfigOptions& options, CheckOutput output, const HostOptions& hosts) {
  const ConfigFile config = read_config(options.file, options.overrides);
  // Only the check for launch/train, which precedes a run, counts GPUs; others touch no device.
  const CountGpus count = output == CheckOutput::launch ? count_gpus : CountGpus();
  ResolvedRun run =
      resolve(config, host_cores(), count, {.allowed = hosts.share_gpu, .local_size = 0});
  const TextData text = text_of(config, run);
  check_initial_model(config, run);
  if (output == CheckOutput::launch) {
    with_locations(config, [&] { print_launch(config, run, hosts); });
  } else {
    print_output(output == CheckOutput::resolved ? resolved_toml(run.settings, run.sources)
                 : output == CheckOutput::json   ? plan_json(run)
                                                 : plan_report(run, text, terminal_width()));
  }
  return 0;
}

}  // namespace stagecraft
