#include "kernels/base/cpu_share.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace stagecraft {
namespace {

namespace fs = std::filesystem;

/// Version 2 writes "QUOTA PERIOD", or "max PERIOD", into one file; version 1 writes two files, and
/// a quota of -1 for none.
std::optional<double> quota_in(const fs::path& group) {
  double quota = 0;
  double period = 0;
  std::ifstream both(group / "cpu.max");
  if (!(both >> quota >> period)) {
    std::ifstream(group / "cpu.cfs_quota_us") >> quota;
    std::ifstream(group / "cpu.cfs_period_us") >> period;
  }
  return quota > 0 && period > 0 ? std::optional(quota / period) : std::nullopt;
}

/// The smallest quota of `group` and the groups above it, up to `top`. A container may not see the
/// lower ones: then those that it sees count.
void lower_to_quotas(const fs::path& top, const std::string& group, std::optional<double>& cores) {
  const fs::path path = fs::path(group).relative_path();
  fs::path at = top;
  auto next = path.begin();
  while (true) {
    if (const std::optional<double> quota = quota_in(at)) {
      cores = std::min(cores.value_or(*quota), *quota);
    }
    if (next == path.end()) {
      return;
    }
    at /= *next++;
  }
}

bool controls_cpu(const std::string& controllers) {
  return ("," + controllers + ",").find(",cpu,") != std::string::npos;
}

}  // namespace

int affinity_cores(pid_t process) {
  const auto all = std::max(1U, std::thread::hardware_concurrency());
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (::sched_getaffinity(process, sizeof(mask), &mask) != 0) {
    return static_cast<int>(all);  // more processors than the mask has room for
  }
  return std::max(1, CPU_COUNT(&mask));
}

/// A line of /proc/self/cgroup is "NUMBER:CONTROLLERS:PATH"; version 2 has no controllers.
std::optional<int> quota_cores(const fs::path& root) {
  const fs::path mounted = root / "sys/fs/cgroup";
  std::optional<double> cores;
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string number, controllers, path; std::getline(groups, number, ':') &&
                                              std::getline(groups, controllers, ':') &&
                                              std::getline(groups, path);) {
    if (controllers.empty()) {
      lower_to_quotas(mounted, path, cores);
    } else if (controls_cpu(controllers)) {
      lower_to_quotas(mounted / controllers, path, cores);
    }
  }
  return cores ? std::optional(static_cast<int>(std::ceil(*cores))) : std::nullopt;
}

int available_cores(pid_t process) {
  const int cores = affinity_cores(process);
  return std::min(cores, quota_cores().value_or(cores));
}

}  // namespace stagecraft
