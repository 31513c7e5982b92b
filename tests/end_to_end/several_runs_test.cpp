// Runs that start at once, or where another is, do not touch each other's files.
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <set>
#include <thread>

#include "tests/end_to_end/process.h"

using namespace stagecraft;
namespace fs = std::filesystem;

namespace {

constexpr const char* kConfig = R"([model]
family = "gpt"
layers = 2
hidden = 32
heads = 4
sequence = 16
[train]
steps = 2
global_batch = 4
micro_batch = 2
[data]
train = ["text.txt"]
validation_fraction = 0
)";

fs::path workplace(const TemporaryFolder& folder) {
  std::ofstream(folder.path() / "run.toml") << kConfig;
  std::ofstream(folder.path() / "text.txt") << std::string(1000, 'a');
  return folder.path();
}

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.insert(entry.path().filename());
  }
  return names;
}

std::string this_host() {
  std::array<char, 64> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

}  // namespace

TEST_CASE("runs that start at once have a directory each") {
  const TemporaryFolder folder;
  const fs::path path = workplace(folder);
  constexpr int kRuns = 6;
  std::vector<std::unique_ptr<Process>> runs;
  for (int i = 0; i < kRuns; ++i) {
    runs.push_back(std::make_unique<Process>(
        std::vector<std::string>{STAGECRAFT_EXECUTABLE, "train", "run.toml"}, path));
  }
  for (const auto& run : runs) {
    const Ended ended = run->wait();
    CAPTURE(ended.out, ended.err);
    CHECK(ended.status == 0);
  }
  CHECK(names_in(path / "runs") ==
        std::set<std::string>{"run", "run-2", "run-3", "run-4", "run-5", "run-6"});
  for (const auto& entry : fs::directory_iterator(path / "runs")) {
    CHECK(fs::exists(entry.path() / "model/model.safetensors"));
    CHECK_FALSE(fs::exists(entry.path() / "claim"));
  }
}

TEST_CASE("the directory of a living run is refused by the name of run, process and host") {
  const TemporaryFolder folder;
  const fs::path path = workplace(folder);
  Process first = start_stagecraft(
      {"train", "run.toml", "--set", "run.directory=mine", "--set", "train.steps=1000000"}, path);
  while (!fs::exists(path / "mine/metrics.jsonl") && !first.has_ended()) {
    std::this_thread::yield();
  }
  const Ended second = run_stagecraft({"train", "run.toml", "--set", "run.directory=mine"}, path);
  CHECK(second.status == 2);
  CHECK_THAT(second.err,
             Catch::Contains("run.directory mine is held by the run run.toml (process " +
                             std::to_string(first.pid()) + " on " + this_host() + ")"));
  ::kill(first.pid(), SIGKILL);
  CHECK(first.wait().status == 128 + SIGKILL);
  const Ended third = run_stagecraft({"train", "run.toml", "--set", "run.directory=mine"}, path);
  CHECK(third.status == 0);
  CHECK_THAT(third.out,
             Catch::Contains("mine has no whole checkpoint: its run begins at step 1 again"));
  const Ended fourth = run_stagecraft({"train", "run.toml", "--set", "run.directory=mine"}, path);
  CHECK(fourth.status == 2);
  CHECK_THAT(fourth.err, Catch::Contains("mine holds a finished run"));
}
