// Faults of running processes, answered by launch/train --restarts with the bits of a run without
// them.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cstdlib>

#include "tests/end_to_end/fault_words.h"
#include "tests/end_to_end/process.h"
#include "tests/end_to_end/run_processes.h"
#include "tests/end_to_end/run_rows.h"
#include "tests/end_to_end/small_config.h"
#include "tests/end_to_end/stand_in_mpirun.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;
using namespace test;

/// A fault in rank 1 behind the checkpoint of step 3 or within its save. `file` is written when it
/// occurs.
void set_fault(FaultKind kind, const fs::path& file) {
  const std::string words = fmt::format("{} 1 4 3 {}", name_of(kind), file.string());
  ::setenv(kFaultVariable, words.c_str(), 1);
}

/// Trains in `directory`.
Ended train(const fs::path& folder, const std::string& directory, FaultKind kind) {
  set_fault(kind, folder / (directory + ".fault"));
  Process process({STAGECRAFT_LAUNCH_TRAIN,
                   "run.toml",
                   "--program",
                   STAGECRAFT_FAULTY,
                   "--restarts",
                   "3",
                   "--set",
                   "run.mode=mpi",
                   "--set",
                   "parallel.pipeline=2",
                   "--set",
                   "checkpoint.every=3",
                   "--set",
                   "run.watchdog_seconds=2",
                   "--set",
                   "trace.file=\"\"",
                   "--set",
                   "device.threads=1",
                   "--set",
                   "run.directory=" + directory},
                  folder);
  ::unsetenv(kFaultVariable);
  return process.wait();
}

TEST_CASE("a run that a fault ended is started again and ends with the bits of one without") {
  if (!is_in_path("mpirun")) {
    WARN("skipped, no MPI");
    return;
  }
  const TemporaryFolder folder;
  write_small_run(folder.path(), 8);
  REQUIRE(train(folder.path(), "whole", FaultKind::none).status == 0);
  for (const FaultKind kind : {FaultKind::throws, FaultKind::hangs, FaultKind::killed,
                               FaultKind::frozen, FaultKind::disconnected, FaultKind::drops,
                               FaultKind::doubles, FaultKind::missing, FaultKind::killed_writing}) {
    const std::string name(name_of(kind));
    const Ended ended = train(folder.path(), name, kind);
    CAPTURE(name, ended.out, ended.err);
    CHECK(ended.status == 0);
    CHECK_THAT(ended.err, Catch::Contains("started again"));
    const fs::path run = folder.path() / name;
    const fs::path whole = folder.path() / "whole";
    CHECK(rows_without_times(run) == rows_without_times(whole));
    CHECK((read_file(run / "model/model.safetensors") ==
           read_file(whole / "model/model.safetensors")));
  }
}

/// An mpirun whose hosts are all this machine. It starts nothing on b alone. Where a rank has
/// failed it hangs, as it does when a host has gone.
constexpr const char* kFailingHost = R"(#!/bin/bash
PATH=${PATH#*:}
case "$*" in
  *"ppr:1:node"*) exit 0 ;;
  *"--host b:1 -n 1 true") exit 1 ;;
  *"-n 1 true") exit 0 ;;
esac
words=()
while (($# > 0)); do
  case $1 in
    --host) echo "$2" >>hosts && shift 2 ;;
    --map-by | --bind-to) shift 2 ;;
    *) words+=("$1") && shift ;;
  esac
done
mpirun --oversubscribe "${words[@]}" || exec sleep 1000
)";

/// Rank 1 is killed in a run over these hosts.
Ended train_over(const fs::path& folder, const std::string& hosts) {
  write_small_run(folder, 8);
  put_mpirun(folder, kFailingHost);
  set_fault(FaultKind::killed, folder / "fault");
  Process process = train_with_mpirun(folder,
                                      {"--hosts", hosts, "--interface", "lo", "--restarts", "1",
                                       "--set", "checkpoint.every=3", "--set", "device.threads=1"},
                                      STAGECRAFT_FAULTY);
  ::unsetenv(kFaultVariable);
  return process.wait();
}

TEST_CASE("a run is started again on the hosts that answer") {
  if (!is_in_path("mpirun")) {
    WARN("skipped, no MPI");
    return;
  }
  const TemporaryFolder folder;
  const Ended ended = train_over(folder.path(), "a:1,b:1,c:1");
  CAPTURE(ended.out, ended.err);
  CHECK(ended.status == 0);
  CHECK_THAT(ended.err, Catch::Contains("mpirun waits for a host that does not answer") &&
                            Catch::Contains("host b is left out") &&
                            Catch::Contains("started again"));
  CHECK(read_file(folder.path() / "hosts") == "a:1,b:1,c:1\na:1,c:1\n");
}

TEST_CASE("a run is not started again where too few hosts answer") {
  if (!is_in_path("mpirun")) {
    WARN("skipped, no MPI");
    return;
  }
  const TemporaryFolder folder;
  const Ended ended = train_over(folder.path(), "a:1,b:1");
  CAPTURE(ended.out, ended.err);
  CHECK(ended.status == 1);
  CHECK_THAT(ended.err, Catch::Contains("host b is left out") &&
                            Catch::Contains("have 1 slots and the run needs 2, so it is not") &&
                            !Catch::Contains("is started again"));
}

}  // namespace
}  // namespace stagecraft
