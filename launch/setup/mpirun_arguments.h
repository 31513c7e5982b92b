// The output of `stagecraft check --launch`: everything that `launch/train` needs to start a run,
// so that the script need not parse TOML.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "launch/artifacts/run_directory.h"
#include "launch/setup/earlier_run.h"
#include "launch/setup/resolve.h"

namespace stagecraft {

/// The script's options for the placement of processes.
struct HostOptions {
  std::string hosts;       // "a:4,b:4"; "": this machine, or the allocation of a batch system
  bool several = false;    // more than this machine; set by mpirun_arguments()
  std::string interface;   // network interface that the hosts share; "": loopback
  bool share_gpu = false;  // processes may share a GPU
  int holder = 0;  // launch/train's process, for which the run directory is claimed; 0: none
};

/// One "KEY VALUE" per line:
///   mode threads | mpi
///   directory PATH            of a run of threads; directory_lines() names that of processes
///   environment NAME=VALUE    of every process
///   files NUMBER              that mpirun and its processes hold open at once, at most
///   ranks NUMBER              of processes
///   reach WORD                for every mpirun that reaches the run's hosts, in order
///   word WORD                 for the run's mpirun, behind these, before the program
/// Throws ConfigError when this program or the given options do not support the run.
std::string mpirun_arguments(const ResolvedRun& run, const HostOptions& asked);

/// The lines about the directories of a run over several hosts; none for one host:
///   shared PATH               that every host must see; it may not be there yet
std::string shared_lines(const ResolvedRun& run, const HostOptions& asked);

/// The lines about a run directory that is claimed for launch/train:
///   directory PATH            of the run
///   claim TOKEN               for `stagecraft train --claim`, which takes the directory over
///   made PATH                 a folder that was made for the run, the innermost first
std::string directory_lines(const RunDirectory& directory);

/// The lines about a run that goes on, or could:
///   from PATH                 for `stagecraft train --from`: of earlier_run()
///   note TEXT                 for the person who starts the run
std::string start_lines(const std::optional<EarlierRun>& earlier,
                        const std::vector<std::string>& notes);

}  // namespace stagecraft
