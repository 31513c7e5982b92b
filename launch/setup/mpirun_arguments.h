// What `launch/train` needs in order to start a run: it asks with `stagecraft check --launch` and
// knows nothing of TOML.
#pragma once

#include <string>

#include "launch/setup/resolve.h"

namespace stagecraft {

/// Where the processes go, as the script was told.
struct HostOptions {
  std::string hosts;       // "a:4,b:4"; "": this machine, or the allocation of a batch system
  bool several = false;    // not on this machine alone; mpirun_arguments() finds out
  std::string interface;   // network interface that the hosts share; "": loopback
  bool share_gpu = false;  // processes may share a GPU
};

/// One "KEY VALUE" a line:
///   mode threads | mpi
///   directory PATH            the run's, chosen now, so that all processes agree on it
///   environment NAME=VALUE    of every process
///   word WORD                 for mpirun, in order, before the program
/// Throws ConfigError when the run wants what this program or the words cannot give.
std::string mpirun_arguments(const ResolvedRun& run, const HostOptions& asked);

}  // namespace stagecraft
