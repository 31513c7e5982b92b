#include "launch/launch_words.h"

#include <fmt/format.h>
#include <unistd.h>

#include <vector>

#include "kernels/base/error.h"
#include "tensor_parallel/comm/mpi/session.h"

namespace stagecraft {
namespace {

using Lines = std::vector<std::string>;

void check_interface(const HostWords& where) {
  if (where.several && where.interface.empty()) {
    throw ConfigError("run.mode",
                      "on several hosts the processes need a network that they share; name its "
                      "interface, as --interface eth0");
  }
}

void check_mpi() {
  if (!mpi_is_built()) {
    throw ConfigError("run.mode",
                      "this program was built without MPI; install libopenmpi-dev and openmpi-bin "
                      "and build again, or take run.mode = \"threads\"");
  }
}

/// Every actor has cores of its own on this machine.
bool fits(const ResolvedRun& run) {
  return run.plan.mesh.ranks() * run.settings.session.threads <= run.cores;
}

/// Bound where each has its cores, free and polite where they share them.
Lines binding(const ResolvedRun& run, const HostWords& where) {
  if (!where.several && !fits(run)) {
    return {"--oversubscribe", "--bind-to", "none"};
  }
  return {"--map-by", fmt::format("slot:PE={}", run.settings.session.threads), "--bind-to", "core"};
}

/// Between processes of one node bytes go through windows of our own. Open MPI's shared-memory
/// transport would leave its files behind when everything is killed at once.
Lines transports(const HostWords& where) {
  const std::string interface = where.interface.empty() ? "lo" : where.interface;
  return {"--mca",   "btl",
          "^vader",  //
          "--mca",   "btl_tcp_if_include",
          interface,  //
          "--mca",   "oob_tcp_if_include",
          interface,  //
          "--mca",   "mpi_yield_when_idle",
          "1"};
}

Lines mpirun_words(const ResolvedRun& run, const HostWords& where) {
  Lines words = {"-n", fmt::format("{}", run.plan.mesh.ranks()), "--quiet", "-x",
                 "OMP_WAIT_POLICY"};
  if (!where.hosts.empty()) {
    words.insert(words.end(), {"--host", where.hosts});
  }
  for (const Lines& more : {binding(run, where), transports(where)}) {
    words.insert(words.end(), more.begin(), more.end());
  }
  return words;
}

}  // namespace

std::string launch_words(const ResolvedRun& run, const HostWords& where) {
  const SessionConfig& session = run.settings.session;
  // Threads that wait for work must not spin: actors share the cores.
  std::string text = fmt::format("mode {}\ndirectory {}\nenvironment OMP_WAIT_POLICY=passive\n",
                                 session.mode, session.directory);
  if (session.mode == "mpi") {
    check_mpi();
    check_interface(where);
    if (::geteuid() == 0) {  // as in containers; Open MPI wants to be told twice
      text +=
          "environment OMPI_ALLOW_RUN_AS_ROOT=1\nenvironment OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1\n";
    }
    for (const std::string& word : mpirun_words(run, where)) {
      text += fmt::format("word {}\n", word);
    }
  }
  return text;
}

}  // namespace stagecraft
