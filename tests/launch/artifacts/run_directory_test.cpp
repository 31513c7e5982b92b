#include "launch/artifacts/run_directory.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "kernels/base/error.h"
#include "tests/temporary_folder.h"

using namespace stagecraft;
namespace fs = std::filesystem;

namespace {

void touch(const fs::path& path) { std::ofstream(path) << "x"; }

std::string key_of_failure(const fs::path& path) {
  try {
    const RunDirectory directory(path, "");
  } catch (const ConfigError& error) {
    return error.keys();
  }
  return "";
}

}  // namespace

TEST_CASE("the first free name under runs/ is taken") {
  const TemporaryFolder folder;
  const fs::path parent = folder.path() / "runs";
  CHECK(free_run_directory(parent, "a") == parent / "a");
  fs::create_directories(parent / "a");
  CHECK(free_run_directory(parent, "a") == parent / "a");
  touch(parent / "a" / "file");
  CHECK(free_run_directory(parent, "a") == parent / "a-2");
  touch(parent / "a-2");
  CHECK(free_run_directory(parent, "a") == parent / "a-3");
}

TEST_CASE("a kept run directory stays, with its configuration") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "runs" / "first";
  {
    RunDirectory directory(path, "[run]\n");
    directory.keep();
  }
  std::ifstream file(path / "config.toml");
  std::string line;
  CHECK(std::getline(file, line));
  CHECK(line == "[run]");
}

TEST_CASE("a run that never began leaves nothing, not even parent folders") {
  const TemporaryFolder folder;
  {
    const RunDirectory directory(folder.path() / "runs" / "first", "[run]\n");
    touch(directory.metrics());
    fs::create_directory(directory.model());
  }
  CHECK(fs::is_empty(folder.path()));
}

TEST_CASE("a folder that existed before stays, empty as before") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "mine";
  fs::create_directory(path);
  { const RunDirectory directory(path, "[run]\n"); }
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
  const RunDirectory directory(folder.path() / "run", "");
  CHECK_NOTHROW(check_trace_file("", directory));
  CHECK_NOTHROW(check_trace_file((directory.path() / "trace.json").string(), directory));
  CHECK_NOTHROW(check_trace_file((folder.path() / "trace.json").string(), directory));
  CHECK_THROWS_AS(check_trace_file("/nonexistent/trace.json", directory), ConfigError);
  CHECK_THROWS_AS(check_trace_file(folder.path().string(), directory), ConfigError);
}
