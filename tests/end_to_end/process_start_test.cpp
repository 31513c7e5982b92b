// launch/train before the first rank has begun: an mpirun that hangs, and stops that come early.
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "tests/end_to_end/process.h"
#include "tests/end_to_end/process_faults.h"
#include "tests/end_to_end/small_config.h"

using namespace stagecraft;
using namespace stagecraft::test;
namespace fs = std::filesystem;

namespace {

/// A folder whose bin/mpirun takes no signal but those that end it, says that it is there and
/// hangs.
class HangingMpirun {
 public:
  HangingMpirun() {
    write_small_run(path(), 2);
    fs::create_directory(path() / "bin");
    const fs::path mpirun = path() / "bin/mpirun";
    std::ofstream(mpirun) << "#!/bin/sh\ntrap '' USR1\n: >" << (path() / "started").string()
                          << "\nexec sleep 1000\n";
    ::chmod(mpirun.c_str(), 0755);
  }
  const fs::path& path() const { return folder_.path(); }
  bool has_started() const { return fs::exists(path() / "started"); }

  Process train(const std::string& watchdog_seconds) const {
    const std::string search = "PATH=" + (path() / "bin").string() + ":" + std::getenv("PATH");
    return Process(
        {"/usr/bin/env", search, STAGECRAFT_LAUNCH_TRAIN, "run.toml", "--program",
         STAGECRAFT_EXECUTABLE, "--set", "run.mode=mpi", "--set", "run.directory=run", "--set",
         "parallel.pipeline=2", "--set", "run.watchdog_seconds=" + watchdog_seconds},
        path());
  }

 private:
  TemporaryFolder folder_;
};

/// Fails the test where launch/train does not end.
Ended wait_for(Process& process) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!process.has_ended() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  CHECK(process.has_ended());
  ::kill(process.pid(), process.has_ended() ? 0 : SIGKILL);
  return process.wait();
}

void check_early_stop(int signal) {
  const HangingMpirun host;
  Process process = host.train("3600");
  while (!host.has_started() && !process.has_ended()) {
    std::this_thread::yield();
  }
  ::kill(process.pid(), signal);
  const Ended ended = wait_for(process);
  CAPTURE(signal, ended.err);
  CHECK(ended.status == 1);
  CHECK_THAT(ended.err, Catch::Contains("stopping before the first step"));
  CHECK_FALSE(fs::exists(host.path() / "run"));
}

}  // namespace

TEST_CASE("an mpirun that starts no process is ended after the watchdog's time") {
  if (skips_processes()) {
    return;
  }
  const HangingMpirun host;
  Process process = host.train("1");
  const Ended ended = wait_for(process);
  CAPTURE(ended.err);
  CHECK(ended.status == 1);
  CHECK_THAT(ended.err, Catch::Contains("mpirun has started no process within 1 s"));
}

TEST_CASE("a stop that comes before the first rank has begun ends the run") {
  if (skips_processes()) {
    return;
  }
  check_early_stop(SIGINT);
  check_early_stop(SIGTERM);
}
