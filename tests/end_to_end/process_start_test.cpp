// launch/train before the first rank has begun: an mpirun that hangs, stops that come early, and
// hosts that do not share the run's directories.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <thread>

#include "tests/end_to_end/process.h"
#include "tests/end_to_end/process_faults.h"
#include "tests/end_to_end/small_config.h"
#include "tests/end_to_end/stand_in_mpirun.h"

using namespace stagecraft;
using namespace stagecraft::test;
namespace fs = std::filesystem;

namespace {

/// A folder with a run, whose bin/mpirun hangs: it takes no signal but those that end it, and says
/// that it is there.
class HangingMpirun {
 public:
  HangingMpirun() {
    write_small_run(path(), 2);
    put_mpirun(path(), "#!/bin/sh\ntrap '' USR1\n: >" + (path() / "started").string() +
                           "\nexec sleep 1000\n");
  }
  const fs::path& path() const { return folder_.path(); }
  bool has_started() const { return fs::exists(path() / "started"); }
  Process train(const std::string& watchdog_seconds) const {
    return train_with_mpirun(path(), {"--set", "run.watchdog_seconds=" + watchdog_seconds});
  }

 private:
  TemporaryFolder folder_;
};

/// Words before a command that is to have mounts and a host name of its own; none where this user
/// may not.
std::vector<std::string> as_another_host(const fs::path& folder) {
  std::vector<std::string> words{"/usr/bin/unshare", "--mount", "--uts"};
  if (::geteuid() != 0) {
    words.insert(words.end(), {"--user", "--map-root-user"});
  }
  std::vector<std::string> trial = words;
  trial.insert(trial.end(), {"/bin/mount", "-t", "tmpfs", "none", folder.string()});
  return Process(trial, folder).wait().status == 0 ? words : std::vector<std::string>();
}

/// An mpirun that starts its command on two hosts, of which the second, named b, has another file
/// system in `hidden`.
std::string two_hosts(const std::vector<std::string>& as_another, const fs::path& hidden) {
  return fmt::format(
      "#!/bin/bash\nuntil [[ $1 == bash ]]; do shift; done\n\"$@\"\n"
      "{} bash -c 'hostname b && mount -t tmpfs none {} && exec \"$@\"' bash \"$@\"\n",
      fmt::join(as_another, " "), hidden.string());
}

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

TEST_CASE("directories that a host does not share are refused by name, and nothing is left") {
  const TemporaryFolder folder;
  const std::vector<std::string> as_another = as_another_host(folder.path());
  if (skips_processes() || as_another.empty()) {
    WARN("skipped: a process may have no mounts of its own");
    return;
  }
  write_small_run(folder.path(), 2);
  fs::create_directories(folder.path() / "own/there");
  for (const char* hidden : {"run", "own/there"}) {
    put_mpirun(folder.path(), two_hosts(as_another, folder.path() / hidden));
    const Ended ended =
        train_with_mpirun(folder.path(), {"--hosts", "a:1,b:1", "--interface", "lo", "--set",
                                          "checkpoint.directory=own/there/checkpoints"})
            .wait();
    CAPTURE(ended.out, ended.err);
    CHECK(ended.status == 2);
    CHECK_THAT(ended.err, Catch::Contains(std::string(hidden) + " is not shared by host b") &&
                              Catch::Contains("put run.directory and checkpoint.directory"));
    CHECK_FALSE(fs::exists(folder.path() / "run"));
    CHECK(fs::is_empty(folder.path() / "own/there"));
  }
}

TEST_CASE("hosts on which mpirun starts nothing are said before the run begins") {
  if (skips_processes()) {
    return;
  }
  const TemporaryFolder folder;
  write_small_run(folder.path(), 2);
  put_mpirun(folder.path(), "#!/bin/sh\necho 'b is down' >&2\nexit 7\n");
  const Ended ended =
      train_with_mpirun(folder.path(), {"--hosts", "a:1,b:1", "--interface", "lo"}).wait();
  CAPTURE(ended.err);
  CHECK(ended.status == 1);
  CHECK_THAT(ended.err, Catch::Contains("b is down") &&
                            Catch::Contains("mpirun starts no process on some host (status 7)"));
  CHECK_FALSE(fs::exists(folder.path() / "run"));
}

TEST_CASE("a stop that comes before the first rank has begun ends the run") {
  if (skips_processes()) {
    return;
  }
  check_early_stop(SIGINT);
  check_early_stop(SIGTERM);
}
