#include "launch/commands/config_options.h"

#include <algorithm>
#include <thread>

#include "kernels/backends/host_devices.h"

namespace stagecraft {

int host_cores() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

DeviceCensus count_gpus() { return count_devices(DeviceKind::cuda); }

TextData text_of(const ConfigFile& config, const ResolvedRun& run) {
  return with_locations(config,
                        [&] { return load_text(run.settings.data, run.settings.model.sequence); });
}

}  // namespace stagecraft
