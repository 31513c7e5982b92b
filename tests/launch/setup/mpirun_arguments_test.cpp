#include "launch/setup/mpirun_arguments.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cstdlib>

#include "kernels/base/error.h"
#include "launch/setup/open_files.h"
#include "tensor_parallel/comm/mpi/session.h"
#include "tests/launch/example_config.h"
#include "tests/launch/fake_checkpoint.h"
#include "tests/temporary_folder.h"

using namespace stagecraft;
using Catch::Matchers::Contains;

namespace {

std::string words_for(const HostOptions& where, const std::string& mode = "mpi", int cores = 4) {
  return mpirun_arguments(resolve(example({"run.mode=" + mode, "device.threads=1"}), cores), where);
}

}  // namespace

TEST_CASE("mode threads gives an environment in which threads do not spin") {
  CHECK(words_for({}, "threads") ==
        "mode threads\nenvironment OMP_WAIT_POLICY=passive\ndirectory runs/example\n");
}

TEST_CASE("a claimed directory is given with its token, and what was made of it") {
  const TemporaryFolder folder;
  const RunDirectory directory(folder.path() / "runs" / "a");
  const std::string path = directory.path().string();
  const std::string parent = directory.path().parent_path().string();
  CHECK(directory_lines(directory) == fmt::format("directory {}\nclaim {}\nmade {}\nmade {}\n",
                                                  path, directory.token(), path, parent));
}

TEST_CASE("directories that hosts must share are given for several hosts alone") {
  ::unsetenv("SLURM_JOB_NUM_NODES");
  const auto shared = [](const std::string& hosts, const std::string& more) {
    return shared_lines(resolve(example({"run.mode=mpi", "device.threads=1", more}), 4),
                        {.hosts = hosts, .several = false, .interface = ""});
  };
  CHECK(shared("", "run.directory=a").empty());
  CHECK(shared("localhost:4", "run.directory=a").empty());
  CHECK(shared("a:4,b:4", "run.directory=a") == "shared a\nshared a/checkpoints\n");
  CHECK(shared("a:4,b:4", "checkpoint.directory=c") == "shared runs/example\nshared c\n");
  CHECK(shared("a:4,b:4", "checkpoint.directory=") == "shared runs/example\n");
}

TEST_CASE("a run that goes on is given with its checkpoint, and what the person is told") {
  CHECK(start_lines({}, {}).empty());
  EarlierRun earlier;
  CHECK(start_lines(earlier, {"two rows", "a folder"}) ==
        "from none\nnote two rows\nnote a folder\n");
  CheckpointManifest manifest;
  earlier.checkpoint = std::make_shared<test::FakeCheckpoint>(manifest);
  earlier.folder = "runs/a/checkpoints/step-4";
  CHECK(start_lines(earlier, {}) == "from runs/a/checkpoints/step-4\n");
}

TEST_CASE("on one machine MPI uses loopback sockets and does not probe networks") {
  if (!mpi_is_built()) {
    WARN("skipped, no MPI (the build has none)");
    return;
  }
  ::unsetenv("SLURM_JOB_NUM_NODES");
  for (const char* hosts : {"", "localhost:4", "localhost:2,127.0.0.1:2"}) {
    const std::string words = words_for({.hosts = hosts, .several = false, .interface = ""});
    CHECK_THAT(words, Contains("word btl\nword self,tcp\n") && Contains("word pml\nword ob1\n"));
    CHECK_THAT(words, Contains("reach btl_tcp_if_include\nreach lo\n"));
    CHECK_THAT(words, Contains("\nranks 2\n"));
  }
}

TEST_CASE("mpirun holds files for its processes on this machine, and a rank for all others") {
  if (!mpi_is_built()) {
    WARN("skipped, no MPI (the build has none)");
    return;
  }
  const std::string words = words_for({});
  CHECK_THAT(words, Contains("\nfiles "));
  const ResolvedRun run = resolve(example({"run.mode=mpi", "device.threads=1"}), 4);
  CHECK_THAT(words, Contains(fmt::format("\nfiles {}\n", open_files_of_any_rank(run.plan))));
  CHECK(open_files_of_mpirun(1000) > open_files_of_mpirun(2) + 4000);
}

TEST_CASE("actors are bound to cores if there are enough, and not bound otherwise") {
  if (!mpi_is_built()) {
    WARN("skipped, no MPI (the build has none)");
    return;
  }
  CHECK_THAT(words_for({}, "mpi", 1),
             Contains("word --oversubscribe\n") && Contains("word none\n"));
  CHECK_THAT(words_for({}, "mpi", 2), Contains("word slot:PE=1\n") && Contains("word core\n"));
}

TEST_CASE("several machines need an interface, and MPI probes for networks") {
  if (!mpi_is_built()) {
    WARN("skipped, no MPI (the build has none)");
    return;
  }
  CHECK_THROWS_AS(words_for({.hosts = "a:4,b:4", .several = false, .interface = ""}), ConfigError);
  ::setenv("SLURM_JOB_NUM_NODES", "2", 1);
  CHECK_THROWS_AS(words_for({}), ConfigError);
  CHECK_THAT(words_for({.hosts = "", .several = false, .interface = "eth0"}),
             Contains("word ^vader\n") && Contains("reach eth0\n"));
  ::unsetenv("SLURM_JOB_NUM_NODES");
}
