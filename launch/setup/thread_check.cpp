#include "launch/setup/thread_check.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <string>

#include "kernels/base/error.h"
#include "kernels/base/thread_probe.h"

namespace stagecraft {
namespace {

/// The watchdog, CAF's own, the driver, the writers of lines, the claim's, and one to spare.
constexpr int kOfProcess = 9;
/// MPI, CAF's network layer, the handshake listener, the transport between hosts.
constexpr int kOfNetwork = 10;
constexpr int kOfMpirun = 4;

/// The actor's own thread, those that compute with it, and as many that draw its parameters.
int threads_of_actor(int threads) { return 1 + 2 * (threads - 1); }

template <typename Resource>
std::string limit_text(Resource resource, rlim_t unit) {
  rlimit limit{};
  ::getrlimit(resource, &limit);
  return limit.rlim_cur == RLIM_INFINITY ? "unlimited" : fmt::format("{}", limit.rlim_cur / unit);
}

void check(const char* subject, int needed, ThreadProbe probe) {
  const int granted = granted_threads(needed, probe);
  if (granted >= needed) {
    return;
  }
  throw ConfigError(
      "device.threads parallel.pipeline parallel.tensor parallel.data",
      fmt::format("{} up to {} threads, and the system grants {}; raise the limit on processes "
                  "(ulimit -u: {}), on address space (ulimit -v: {} KiB) or on the threads of the "
                  "control group (pids.max), or lower device.threads or the number of ranks",
                  subject, needed, granted, limit_text(RLIMIT_NPROC, 1),
                  limit_text(RLIMIT_AS, 1024)));
}

}  // namespace

int threads_of_process(const ResolvedRun& run) {
  const int each = threads_of_actor(run.settings.session.threads);
  return run.settings.session.mode == "mpi" ? kOfProcess + kOfNetwork + each
                                            : kOfProcess + run.plan.mesh.ranks() * each;
}

void check_threads(const ResolvedRun& run) {
  check("one process of this run has", threads_of_process(run), ThreadProbe::whole);
}

void check_threads_of_processes(const ResolvedRun& run) {
  const int all = kOfMpirun + run.plan.mesh.ranks() * (1 + threads_of_process(run));
  check("mpirun and the processes of this run together have", all, ThreadProbe::number);
}

}  // namespace stagecraft
