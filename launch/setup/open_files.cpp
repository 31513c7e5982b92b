#include "launch/setup/open_files.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "actors/run/control_receivers.h"
#include "kernels/base/error.h"

namespace stagecraft {
namespace {

/// Files of the run, logs, libraries, devices, and connections to mpirun; the program alone has
/// fewer than a hundred.
constexpr std::int64_t kOfProcess = 256;
/// The connections that the handshake listener holds until their handshakes are complete.
constexpr std::int64_t kOfHandshakes = 64;
/// A shared window; on GPUs the sockets and shared memory of an NCCL communicator.
constexpr std::int64_t kOfGroup = 32;
/// mpirun's pipes and connection for each process that it starts.
constexpr std::int64_t kOfChild = 8;

rlimit open_file_limit() {
  rlimit limit{};
  require(::getrlimit(RLIMIT_NOFILE, &limit) == 0, "open files", "getrlimit: {}",
          std::strerror(errno));
  return limit;
}

/// MPI may connect to every rank: its collectives choose the pairs.
std::int64_t files_of(const TrainingPlan& plan, int rank, std::size_t groups) {
  return kOfProcess + kOfHandshakes + control_connections(plan, rank) + plan.mesh.ranks() +
         kOfGroup * static_cast<std::int64_t>(groups);
}

}  // namespace

std::int64_t open_files_of_rank(const TrainingPlan& plan, int rank) {
  return files_of(plan, rank, groups_of_rank(plan.groups, rank).size());
}

std::int64_t open_files_of_any_rank(const TrainingPlan& plan) {
  const int ranks = plan.mesh.ranks();
  const std::vector<std::vector<int>> groups = group_orders(plan.groups, ranks);
  std::int64_t most = 0;
  for (int rank = 0; rank < ranks; ++rank) {
    most = std::max(most, files_of(plan, rank, groups[static_cast<std::size_t>(rank)].size()));
  }
  return most;
}

std::int64_t open_files_of_mpirun(int processes) { return kOfProcess + kOfChild * processes; }

void check_open_files(std::int64_t files) {
  const rlimit limit = open_file_limit();
  if (static_cast<rlim_t>(files) > limit.rlim_max) {
    throw ConfigError(
        "parallel.pipeline parallel.tensor parallel.data",
        fmt::format("one process of this run holds up to {} files and connections open at once, "
                    "and the hard limit of this host is {} (ulimit -Hn); raise it with nofile in "
                    "/etc/security/limits.conf or LimitNOFILE of the systemd unit, or use fewer "
                    "ranks",
                    files, limit.rlim_max));
  }
}

void raise_open_files(std::int64_t files) {
  check_open_files(files);
  rlimit limit = open_file_limit();
  if (limit.rlim_cur < static_cast<rlim_t>(files)) {
    limit.rlim_cur = static_cast<rlim_t>(files);
    require(::setrlimit(RLIMIT_NOFILE, &limit) == 0, "open files", "setrlimit: {}",
            std::strerror(errno));
  }
}

}  // namespace stagecraft
