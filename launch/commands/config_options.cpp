#include "launch/commands/config_options.h"

#include <fmt/format.h>
#include <unistd.h>

#include "kernels/backends/host_devices.h"
#include "kernels/base/cpu_share.h"
#include "launch/setup/mpi_environment.h"

namespace stagecraft {

/// mpirun may have bound this process to the cores of one rank, but not itself.
int host_cores() { return available_cores(mpi_environment() ? ::getppid() : 0); }

DeviceCensus count_gpus() { return count_devices(DeviceKind::cuda); }

std::string command_words(const ConfigFile& config, const ConfigOptions& options) {
  std::string words = config.name;
  for (const std::string& override_text : options.overrides) {
    if (!override_text.starts_with("run.directory")) {
      words += fmt::format(" --set '{}'", override_text);
    }
  }
  return words;
}

TextData text_of(const ConfigFile& config, const ResolvedRun& run) {
  return with_locations(config,
                        [&] { return load_text(run.settings.data, run.settings.model.sequence); });
}

}  // namespace stagecraft
