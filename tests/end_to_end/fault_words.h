// One fault in one rank of a run of processes. The faulty program reads it from its environment,
// and writes a file when the fault occurs.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace stagecraft::test {

enum class FaultKind : std::uint8_t {
  none,
  throws,          // an instruction throws
  hangs,           // an instruction never returns
  killed,          // SIGKILL
  frozen,          // SIGSTOP
  mpirun_killed,   // SIGKILL to the process that started this one
  disconnected,    // its control connections to other ranks are shut down
  drops,           // one envelope is not sent
  doubles,         // one envelope is sent twice
  late,            // starts a little later
  missing,         // never starts
  killed_writing,  // SIGKILL as soon as the model's file is begun
  strangers,       // foreign clients connect to the other ranks while this one listens late
  write_fails,  // the disk is full at a write of the model; rank 0's first writes are the driver's
  writes_slowly,  // the first writes of the model take half a second each, together too long
  // Faults from outside the run, once it has done `step` steps.
  launcher_killed,  // SIGKILL to launch/train
  interrupted,      // SIGINT to it
  terminated,       // SIGTERM to it, twice at once, as timeout does
  hung_up,          // SIGHUP to it, twice at once
  asked,            // SIGUSR1 to it, and mpirun forwards no signal
  job_terminated,   // SIGTERM to all processes of the run
  rank_terminated,  // SIGTERM to one rank
  stopped_twice,    // SIGINT, and once more while the step still runs
  disk_full,        // the run directory's disk is full; then the run is stopped
  suspended,        // SIGSTOP to all its processes, and SIGCONT after more than the watchdog's time
  closed_streams,   // it starts without stdin, stdout and stderr
  second_run,       // another run is started in the same directory
  terminal_stopped,  // its terminal takes nothing for a hundred steps (Ctrl-S), then goes on
  no_memory          // it starts with too little address space
};

inline constexpr std::array<std::string_view, 29> kFaultNames = {
    "none",           "throws",
    "hangs",          "killed",
    "frozen",         "mpirun_killed",
    "disconnected",   "drops",
    "doubles",        "late",
    "missing",        "killed_writing",
    "strangers",      "write_fails",
    "writes_slowly",  "launcher_killed",
    "interrupted",    "terminated",
    "hung_up",        "asked",
    "job_terminated", "rank_terminated",
    "stopped_twice",  "disk_full",
    "suspended",      "closed_streams",
    "second_run",     "terminal_stopped",
    "no_memory"};

inline std::string_view name_of(FaultKind kind) {
  return kFaultNames.at(static_cast<std::size_t>(kind));
}

/// The fault occurs once, in rank `rank`, at the `call`-th call of its work in step `step`, or in
/// the next step when there are fewer calls. Drops and doubles count the rank's envelopes instead.
struct FaultWords {
  FaultKind kind = FaultKind::none;
  int rank = 0;
  std::int64_t step = 1;
  int call = 0;
  std::string file;  // written when the fault occurs: "STEADY_NS PLACE"; its path has no blanks
};

/// Suffix added to the name of the fault's file. The rank continues once that file exists.
inline constexpr const char* kReleased = ".released";

/// "KIND RANK STEP CALL FILE"
inline constexpr const char* kFaultVariable = "STAGECRAFT_TEST_FAULT";

}  // namespace stagecraft::test
