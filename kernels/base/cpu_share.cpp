#include "kernels/base/cpu_share.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <thread>

#include "kernels/base/control_groups.h"

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

std::optional<int> quota_cores(const fs::path& root) {
  std::optional<double> cores;
  for (const fs::path& group : control_groups("cpu", root)) {
    if (const std::optional<double> quota = quota_in(group)) {
      cores = std::min(cores.value_or(*quota), *quota);
    }
  }
  return cores ? std::optional(static_cast<int>(std::ceil(*cores))) : std::nullopt;
}

int available_cores(pid_t process) {
  const int cores = affinity_cores(process);
  return std::min(cores, quota_cores().value_or(cores));
}

}  // namespace stagecraft
