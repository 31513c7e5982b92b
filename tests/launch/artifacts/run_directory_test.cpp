#include "launch/artifacts/run_directory.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <set>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "stages/board/progress_slot.h"
#include "tests/child_process.h"
#include "tests/temporary_folder.h"

using namespace stagecraft;
namespace fs = std::filesystem;

namespace {

void touch(const fs::path& path) { std::ofstream(path) << "x"; }

std::string key_of_failure(const fs::path& path) {
  try {
    const RunDirectory directory(path);
  } catch (const ConfigError& error) {
    return error.keys();
  }
  return "";
}

}  // namespace

TEST_CASE("the first name under runs/ that is not there is named, and made") {
  const TemporaryFolder folder;
  const fs::path parent = folder.path() / "runs";
  CHECK(free_run_directory(parent, "a") == parent / "a");
  CHECK_FALSE(fs::exists(parent));
  const RunDirectory first = RunDirectory::first_free(parent, "a", {});
  CHECK(first.path() == parent / "a");
  CHECK(free_run_directory(parent, "a") == parent / "a-2");
  touch(parent / "a-2");
  fs::create_directory(parent / "a-3");
  const RunDirectory second = RunDirectory::first_free(parent, "a", {});
  CHECK(second.path() == parent / "a-4");
  CHECK(run_directories(parent, "a") ==
        std::vector<fs::path>{parent / "a", parent / "a-2", parent / "a-3", parent / "a-4"});
}

TEST_CASE("runs that start at once have a directory each, and end without each other's files") {
  constexpr int kRuns = 8;
  const TemporaryFolder folder;
  test::Pipe start;
  std::vector<test::Child> runs;
  for (int i = 0; i < kRuns; ++i) {
    runs.emplace_back([&] {
      start.get();
      RunDirectory directory = RunDirectory::first_free(folder.path() / "runs", "a", {});
      directory.write_config(std::to_string(i));
      if (i % 2 == 0) {
        directory.keep();
      }
    });
  }
  for (int i = 0; i < kRuns; ++i) {
    start.put();
  }
  for (test::Child& run : runs) {
    CHECK(run.wait() == 0);
  }
  std::set<std::string> configs;
  for (const auto& entry : fs::directory_iterator(folder.path() / "runs")) {
    configs.insert(read_file(entry.path() / "config.toml"));
  }
  CHECK(configs == std::set<std::string>{"0", "2", "4", "6"});
}

TEST_CASE("a directory that a living run holds is refused, with the run, its process and host") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "run";
  RunDirectory directory(path, {.run = "first.toml"});
  CHECK_THROWS_WITH(RunDirectory(path),
                    Catch::Contains("is held by the run first.toml (process " +
                                    std::to_string(::getpid()) + " on " + host_name() + ")"));
  directory.write_config("");
  CHECK_THROWS_WITH(RunDirectory(path), Catch::Contains("is held by the run first.toml"));
  directory.keep();
  directory.release();
  CHECK_THROWS_WITH(RunDirectory(path), Catch::Contains("not an empty folder"));
}

TEST_CASE("what others put into a run's folder stays, and so does the folder") {
  const TemporaryFolder folder;
  {
    RunDirectory directory(folder.path() / "runs" / "first");
    directory.write_config("[run]\n");
    touch(directory.path() / "job.out");
  }
  CHECK(fs::exists(folder.path() / "runs" / "first" / "job.out"));
  CHECK_FALSE(fs::exists(folder.path() / "runs" / "first" / "config.toml"));
}

TEST_CASE("a directory that was handed on is taken over by its token, and removed by who has it") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "runs" / "first";
  RunDirectory claimed(path, {.run = "a.toml"});
  CHECK(claimed.made() == std::vector<fs::path>{folder.path() / "runs", path});
  const std::string token = claimed.token();
  claimed.hand_on();
  CHECK_THROWS_AS(RunDirectory(path), ConfigError);
  CHECK_THROWS_WITH(RunDirectory::taken_over(path, "another", {}),
                    Catch::Contains("no longer held for this run"));
  {
    const RunDirectory taken = RunDirectory::taken_over(path, token, {.run = "a.toml"});
    CHECK(taken.token() != token);
  }
  CHECK(fs::is_empty(folder.path()));
}

TEST_CASE(
    "the directory of an earlier run is reopened unless a run holds it, and keeps its files") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "run";
  RunDirectory first(path, {.run = "a.toml"});
  first.write_config("[run]\n");
  first.keep();
  CHECK_THROWS_WITH(RunDirectory::reopened(path, {.run = "b.toml"}),
                    Catch::Contains("is held by the run a.toml"));
  CHECK_THROWS_WITH(check_is_unheld(path), Catch::Contains("is held by the run a.toml"));
  first.release();
  CHECK_NOTHROW(check_is_unheld(path));
  std::string token;
  {
    RunDirectory second = RunDirectory::reopened(path, {.run = "b.toml"});
    CHECK_THROWS_WITH(RunDirectory::reopened(path, {}),
                      Catch::Contains("is held by the run b.toml"));
    token = second.token();
    second.hand_on();
  }
  { const RunDirectory rank = RunDirectory::taken_over(path, token, {.run = "b.toml"}); }
  CHECK(read_file(path / "config.toml") == "[run]\n");
  CHECK_FALSE(fs::exists(path / "claim"));
}

TEST_CASE("a directory that another run has taken over is no longer this run's") {
  const TemporaryFolder folder;
  RunDirectory directory(folder.path() / "run", {.run = "a.toml"});
  CHECK_NOTHROW(directory.check_held());
  CHECK_NOTHROW(directory.check_was_held());
  const RunDirectory other =
      RunDirectory::taken_over(directory.path(), directory.token(), {.run = "b.toml"});
  CHECK_THROWS_WITH(directory.check_held(), Catch::Contains("another run has taken over"));
  CHECK_NOTHROW(other.check_held());
}

TEST_CASE("a kept run directory stays, with its configuration") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "runs" / "first";
  {
    RunDirectory directory(path);
    directory.write_config("[run]\n");
    directory.keep();
  }
  CHECK(read_file(path / "config.toml") == "[run]\n");
  CHECK_FALSE(fs::exists(path / "claim"));
}

TEST_CASE("a run that never began leaves nothing, not even parent folders") {
  const TemporaryFolder folder;
  {
    RunDirectory directory(folder.path() / "runs" / "first" / "");
    directory.write_config("[run]\n");
    touch(directory.metrics());
    fs::create_directory(directory.model());
  }
  CHECK(fs::is_empty(folder.path()));
}

TEST_CASE("a folder that existed before stays, empty as before") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "mine";
  fs::create_directory(path);
  { RunDirectory(path).write_config("[run]\n"); }
  CHECK(fs::is_directory(path));
  CHECK(fs::is_empty(path));
}

TEST_CASE("a run directory that is not empty or not writable is refused and left alone") {
  const TemporaryFolder folder;
  touch(folder.path() / "file");
  CHECK(key_of_failure(folder.path()) == "run.directory");
  CHECK(key_of_failure(folder.path() / "file") == "run.directory");
  CHECK(key_of_failure(folder.path() / "file" / "below") == "run.directory");
  CHECK(key_of_failure("/proc/stagecraft") == "run.directory");
  CHECK(fs::file_size(folder.path() / "file") == 1);
}

TEST_CASE("a trace file that cannot be written is refused before the run") {
  const TemporaryFolder folder;
  CHECK_NOTHROW(check_trace_file(""));
  CHECK_NOTHROW(check_trace_file((folder.path() / "trace.json").string()));
  CHECK_NOTHROW(check_trace_file("/dev/null"));
  CHECK_THROWS_AS(check_trace_file("/nonexistent/trace.json"), ConfigError);
  CHECK_THROWS_AS(check_trace_file(folder.path().string()), ConfigError);
}
