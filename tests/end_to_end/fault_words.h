// What befalls one rank of a run of processes: in the faulty program's environment, and what that
// writes down when it happens.
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
  strangers,       // come to the others' gates while this rank's opens late
  // What befalls the run from outside, once it has done `step` steps.
  launcher_killed,  // SIGKILL to launch/train
  interrupted,      // SIGINT to it
  terminated,       // SIGTERM to it
  stopped_twice,    // SIGINT, and once more while the step goes on
  disk_full         // the run directory's disk takes nothing more
};

inline constexpr std::array<std::string_view, 18> kFaultNames = {
    "none",          "throws",         "hangs",     "killed",          "frozen",
    "mpirun_killed", "disconnected",   "drops",     "doubles",         "late",
    "missing",       "killed_writing", "strangers", "launcher_killed", "interrupted",
    "terminated",    "stopped_twice",  "disk_full"};

inline std::string_view name_of(FaultKind kind) {
  return kFaultNames.at(static_cast<std::size_t>(kind));
}

/// Strikes rank `rank` once, at the `call`-th call of its work in step `step`, or at the step after
/// it when there are fewer calls; drops and doubles at its `call`-th envelope of the step.
struct FaultWords {
  FaultKind kind = FaultKind::none;
  int rank = 0;
  std::int64_t step = 1;
  int call = 0;
  std::string file;  // of the shut_down, without blanks: "STEADY_NS PLACE"
};

/// What may come to be beside the shut_down's file, to let the rank go on.
inline constexpr const char* kReleased = ".released";

/// "KIND RANK STEP CALL FILE"
inline constexpr const char* kFaultVariable = "STAGECRAFT_TEST_FAULT";

}  // namespace stagecraft::test
