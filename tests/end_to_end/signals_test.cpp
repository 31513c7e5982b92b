// The first signal finishes the step, writes the model and ends; a second one ends at once.
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "tests/end_to_end/process.h"

using namespace stagecraft;
namespace fs = std::filesystem;

namespace {

constexpr const char* kConfig = R"([run]
directory = "run"
[model]
family = "gpt"
layers = 2
hidden = 64
heads = 4
sequence = 64
[parallel]
pipeline = 2
[train]
steps = 1000000
global_batch = 4
micro_batch = 1
[data]
train = ["text.txt"]
validation_fraction = 0
)";

/// Asks again and again; what is waited for is a fact, never a time. The deadline only keeps a fact
/// that never comes from hanging the test.
template <typename Fact>
bool becomes_true(const Fact& fact) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!fact()) {
    if (std::chrono::steady_clock::now() > deadline) {
      return false;
    }
    std::this_thread::yield();
  }
  return true;
}

bool has_bytes(const fs::path& file) {
  std::error_code absent;
  const auto bytes = fs::file_size(file, absent);
  return !absent && bytes > 0;
}

fs::path workplace(const TemporaryFolder& folder) {
  std::ofstream(folder.path() / "run.toml") << kConfig;
  std::ofstream(folder.path() / "text.txt") << std::string(4000, 'a');
  return folder.path();
}

void check_stops(int signal) {
  const TemporaryFolder folder;
  Process process = start_stagecraft({"train", "run.toml"}, workplace(folder));
  const bool trains = becomes_true([&] { return has_bytes(folder.path() / "run/metrics.jsonl"); });
  CHECK(trains);
  ::kill(process.pid(), trains ? signal : SIGKILL);
  const Ended ended = process.wait();
  CAPTURE(ended.out, ended.err);
  CHECK(ended.status == 0);
  CHECK_THAT(ended.err, Catch::Contains("stopping after this step"));
  CHECK_THAT(ended.out, Catch::Contains("model written to run/model"));
  CHECK_THAT(ended.out, Catch::Contains("Stopped on request after"));
  CHECK(has_bytes(folder.path() / "run/model/model.safetensors"));
}

}  // namespace

TEST_CASE("SIGINT finishes the step, writes the model, says so and ends") { check_stops(SIGINT); }

TEST_CASE("SIGTERM does the same") { check_stops(SIGTERM); }

TEST_CASE("a second signal ends the process at once") {
  const TemporaryFolder folder;
  // One step takes minutes, so the run cannot end by itself between the two signals.
  Process process =
      start_stagecraft({"train", "run.toml", "--set", "train.global_batch=65536", "--set",
                        "train.micro_batch=64", "--set", "run.watchdog_seconds=3600"},
                       workplace(folder));
  const bool starts = becomes_true([&] { return fs::exists(folder.path() / "run/metrics.jsonl"); });
  CHECK(starts);
  ::kill(process.pid(), starts ? SIGINT : SIGKILL);
  CHECK(becomes_true([&] { return has_bytes(process.error_file()); }));
  ::kill(process.pid(), SIGTERM);
  const Ended ended = process.wait();
  CHECK(ended.status == 128 + SIGTERM);
  // At once is: before the step's end.
  CHECK(read_file(folder.path() / "run/metrics.jsonl").empty());
  CHECK_FALSE(Catch::Contains("Stopped as asked after").match(ended.out));
  CHECK_FALSE(fs::exists(folder.path() / "run/model/model.safetensors"));
}
