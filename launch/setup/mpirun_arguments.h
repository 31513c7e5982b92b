// The output of `stagecraft check --launch`: everything that `launch/train` needs to start a run,
// so that the script need not parse TOML.
#pragma once

#include <string>

#include "launch/setup/resolve.h"

namespace stagecraft {

/// The script's options for the placement of processes.
struct HostOptions {
  std::string hosts;       // "a:4,b:4"; "": this machine, or the allocation of a batch system
  bool several = false;    // more than this machine; set by mpirun_arguments()
  std::string interface;   // network interface that the hosts share; "": loopback
  bool share_gpu = false;  // processes may share a GPU
};

/// One "KEY VALUE" per line:
///   mode threads | mpi
///   directory PATH            of the run, chosen now so that all processes use the same
///   environment NAME=VALUE    of every process
///   files NUMBER              that mpirun and its processes hold open at once, at most
///   word WORD                 for mpirun, in order, before the program
/// Throws ConfigError when this program or the given options do not support the run.
std::string mpirun_arguments(const ResolvedRun& run, const HostOptions& asked);

}  // namespace stagecraft
