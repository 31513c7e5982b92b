#include "launch/setup/mpirun_arguments.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "kernels/base/error.h"
#include "launch/setup/open_files.h"
#include "launch/setup/thread_check.h"
#include "stages/board/progress_slot.h"
#include "tensor_parallel/comm/mpi/session.h"

namespace stagecraft {
namespace {

using Lines = std::vector<std::string>;

void check_interface(const HostOptions& where) {
  if (where.several && where.interface.empty()) {
    throw ConfigError("run.mode",
                      "processes on several hosts need a common network; name its interface, such "
                      "as --interface eth0");
  }
}

void check_mpi() {
  if (!mpi_is_built()) {
    throw ConfigError("run.mode",
                      "this program was built without MPI; install libopenmpi-dev and openmpi-bin "
                      "and build again, or set run.mode = \"threads\"");
  }
}

bool is_this_machine(std::string_view host) {
  return host == "localhost" || host == "127.0.0.1" || host == host_name();
}

/// Whether a host of "a:4,b:4" is another machine.
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

/// Whether Slurm's allocation, which mpirun uses, has more than one node.
bool allocation_leaves_this_machine() {
  const char* nodes = std::getenv("SLURM_JOB_NUM_NODES");
  return nodes != nullptr && std::string_view(nodes) != "1";
}

HostOptions with_machines(HostOptions where) {
  where.several =
      where.hosts.empty() ? allocation_leaves_this_machine() : leaves_this_machine(where.hosts);
  return where;
}

/// Whether this machine has enough cores for the threads of all actors.
bool fits(const ResolvedRun& run) {
  return run.plan.mesh.ranks() * run.settings.session.threads <= run.cores;
}

/// Processes are bound to cores when there are enough cores for all, and not bound otherwise. The
/// number of cores of other hosts is unknown here: on several hosts processes are bound, and cores
/// may be overloaded.
Lines binding(const ResolvedRun& run, const HostOptions& where) {
  if (!where.several && !fits(run)) {
    return {"--oversubscribe", "--bind-to", "none"};
  }
  return {"--map-by", fmt::format("slot:PE={}", run.settings.session.threads), "--bind-to",
          where.several ? "core:overload-allowed" : "core"};
}

/// On one machine tensors go through Stagecraft's own shared windows, and MPI carries a few small
/// texts. It uses sockets, because Open MPI's shared-memory transport leaves files behind when all
/// processes are killed at once. It uses nothing else, because probing for fast networks takes more
/// than half a second at the start and one second at the end. Between machines it must probe.
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

/// How many processes of several hosts are on this one is unknown here; a rank's connections to all
/// others are more than mpirun's to these.
std::string files_line(const ResolvedRun& run, const HostOptions& where) {
  const int processes = where.several ? 0 : run.plan.mesh.ranks();
  const std::int64_t files =
      std::max(open_files_of_any_rank(run.plan), open_files_of_mpirun(processes));
  check_open_files(files);
  return fmt::format("files {}\n", files);
}

/// For how many seconds mpirun may start nothing.
std::string patience_line(const ResolvedRun& run) {
  return fmt::format("patience {:.0f}\n", std::ceil(run.settings.run.watchdog_seconds));
}

Lines mpirun_words(const ResolvedRun& run, const HostOptions& where) {
  Lines words = {"--quiet", "-x", "OMP_WAIT_POLICY"};
  for (const Lines& more : {binding(run, where), transports(where)}) {
    words.insert(words.end(), more.begin(), more.end());
  }
  return words;
}

std::string lines_of(std::string_view key, const Lines& values) {
  std::string text;
  for (const std::string& value : values) {
    text += fmt::format("{} {}\n", key, value);
  }
  return text;
}

}  // namespace

std::string mpirun_arguments(const ResolvedRun& run, const HostOptions& asked) {
  const HostOptions where = with_machines(asked);
  const LaunchConfig& session = run.settings.session;
  // Waiting threads must not spin, because actors share the cores.
  std::string text = fmt::format("mode {}\nenvironment OMP_WAIT_POLICY=passive\n", session.mode);
  if (session.mode == "mpi") {
    check_mpi();
    check_interface(where);
    text += files_line(run, where) + patience_line(run);
    if (!where.several) {
      check_threads_of_processes(run);
    }
    if (::geteuid() == 0) {  // as in containers; Open MPI requires both variables
      text +=
          "environment OMPI_ALLOW_RUN_AS_ROOT=1\nenvironment OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1\n";
    }
    text += fmt::format("ranks {}\n", run.plan.mesh.ranks()) + lines_of("reach", networks(where)) +
            lines_of("word", mpirun_words(run, where));
  } else {
    text += fmt::format("directory {}\n", session.directory);
  }
  return text;
}

std::string shared_lines(const ResolvedRun& run, const HostOptions& asked) {
  if (!with_machines(asked).several) {
    return "";
  }
  Lines shared = {run.settings.session.directory};
  if (const std::string checkpoints = run.settings.checkpoint.directory.value_or("");
      !checkpoints.empty()) {
    shared.push_back(checkpoints);
  }
  return lines_of("shared", shared);
}

std::string directory_lines(const RunDirectory& directory) {
  std::string text =
      fmt::format("directory {}\nclaim {}\n", directory.path().string(), directory.token());
  for (auto folder = directory.made().rbegin(); folder != directory.made().rend(); ++folder) {
    text += fmt::format("made {}\n", folder->string());
  }
  return text;
}

std::string start_lines(const std::optional<EarlierRun>& earlier,
                        const std::vector<std::string>& notes) {
  std::string text;
  if (earlier) {
    text = fmt::format("from {}\n", earlier->checkpoint ? earlier->folder.string() : kNoCheckpoint);
  }
  return text + lines_of("note", notes);
}

}  // namespace stagecraft
