#include "launch/setup/mpirun_arguments.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "kernels/base/error.h"
#include "stages/board/progress_slot.h"
#include "tensor_parallel/comm/mpi/session.h"

namespace stagecraft {
namespace {

using Lines = std::vector<std::string>;

void check_interface(const HostOptions& where) {
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

bool is_this_machine(std::string_view host) {
  return host == "localhost" || host == "127.0.0.1" || host == host_name();
}

/// Some host of "a:4,b:4" is another machine.
bool leaves_this_machine(std::string_view hosts) {
  while (!hosts.empty()) {
    const std::string_view entry = hosts.substr(0, hosts.find(','));
    if (!is_this_machine(entry.substr(0, entry.find(':')))) {
      return true;
    }
    hosts.remove_prefix(std::min(hosts.size(), entry.size() + 1));
  }
  return false;
}

/// mpirun takes Slurm's allocation as it is.
bool allocation_leaves_this_machine() {
  const char* nodes = std::getenv("SLURM_JOB_NUM_NODES");
  return nodes != nullptr && std::string_view(nodes) != "1";
}

HostOptions with_machines(HostOptions where) {
  where.several =
      where.hosts.empty() ? allocation_leaves_this_machine() : leaves_this_machine(where.hosts);
  return where;
}

/// Every actor has cores of its own on this machine.
bool fits(const ResolvedRun& run) {
  return run.plan.mesh.ranks() * run.settings.session.threads <= run.cores;
}

/// Bound where each has its cores, free and polite where they share them. How many cores another
/// host has is not known here: there they are bound, and share where they have to.
Lines binding(const ResolvedRun& run, const HostOptions& where) {
  if (!where.several && !fits(run)) {
    return {"--oversubscribe", "--bind-to", "none"};
  }
  return {"--map-by", fmt::format("slot:PE={}", run.settings.session.threads), "--bind-to",
          where.several ? "core:overload-allowed" : "core"};
}

/// On this machine bytes go through windows of our own, and MPI carries a few small texts: over
/// sockets, because Open MPI's shared-memory transport would leave its files behind when everything
/// is killed at once, and over nothing else, because looking for fast networks takes more than half
/// a second at the begin and a whole one at the end. Between machines it has to look for them.
Lines transports(const HostOptions& where) {
  if (where.several) {
    return {"--mca", "btl", "^vader"};
  }
  return {"--mca", "pml", "ob1", "--mca", "btl", "self,tcp"};
}

Lines networks(const HostOptions& where) {
  const std::string interface = where.interface.empty() ? "lo" : where.interface;
  return {"--mca",   "btl_tcp_if_include",
          interface,  //
          "--mca",   "oob_tcp_if_include",
          interface,  //
          "--mca",   "mpi_yield_when_idle", "1"};
}

Lines mpirun_words(const ResolvedRun& run, const HostOptions& where) {
  Lines words = {"-n", fmt::format("{}", run.plan.mesh.ranks()), "--quiet", "-x",
                 "OMP_WAIT_POLICY"};
  if (!where.hosts.empty()) {
    words.insert(words.end(), {"--host", where.hosts});
  }
  for (const Lines& more : {binding(run, where), transports(where), networks(where)}) {
    words.insert(words.end(), more.begin(), more.end());
  }
  return words;
}

}  // namespace

std::string mpirun_arguments(const ResolvedRun& run, const HostOptions& asked) {
  const HostOptions where = with_machines(asked);
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
