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

namespace stagecraft {
namespace {

namespace fs = std::filesystem;
using namespace test;

/// Trains in `directory`, with a fault in rank 1 behind the checkpoint of step 3 or within its
/// save.
Ended train(const fs::path& folder, const std::string& directory, FaultKind kind) {
  const std::string words =
      fmt::format("{} 1 4 3 {}", name_of(kind), (folder / (directory + ".fault")).string());
  ::setenv(kFaultVariable, words.c_str(), 1);
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

}  // namespace
}  // namespace stagecraft
