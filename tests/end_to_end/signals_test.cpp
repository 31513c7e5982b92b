// The first signal finishes the step, writes a checkpoint and ends; a second one ends at once.
// SIGUSR2 writes a checkpoint and goes on.
#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "tests/end_to_end/becomes_true.h"
#include "tests/end_to_end/process.h"
#include "tests/end_to_end/terminal.h"

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

bool has_bytes(const fs::path& file) {
  std::error_code absent;
  const auto bytes = fs::file_size(file, absent);
  return !absent && bytes > 0;
}

std::int64_t rows(const fs::path& metrics) {
  const std::string text = read_file(metrics);
  return std::count(text.begin(), text.end(), '\n');
}

/// Without those of state hashes.
std::int64_t rows_of_steps(const fs::path& metrics) {
  const std::string text = read_file(metrics);
  std::int64_t count = 0;
  for (auto at = text.find("\"loss\":"); at != std::string::npos;
       at = text.find("\"loss\":", at + 1)) {
    ++count;
  }
  return count;
}

fs::path workplace(const TemporaryFolder& folder) {
  std::ofstream(folder.path() / "run.toml") << kConfig;
  std::ofstream(folder.path() / "text.txt") << std::string(4000, 'a');
  return folder.path();
}

std::string result_of(const fs::path& folder) {
  const fs::path file = folder / "run/result.json";
  return fs::exists(file) ? read_file(file) : "";
}

bool has_model(const fs::path& folder) { return has_bytes(folder / "run/model/model.safetensors"); }

/// The newest step of which there is a checkpoint; 0: none.
std::int64_t newest_checkpoint(const fs::path& folder) {
  std::error_code absent;
  std::int64_t newest = 0;
  for (const auto& entry : fs::directory_iterator(folder / "run/checkpoints", absent)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("step-") && fs::exists(entry.path() / "manifest.json") &&
        !name.ends_with(".unfinished")) {
      newest = std::max<std::int64_t>(newest, std::stoll(name.substr(5)));
    }
  }
  return newest;
}

/// Sends the signals at once, when the run has done a step.
void check_stops(const std::vector<int>& signals, const std::vector<std::string>& words = {}) {
  const TemporaryFolder folder;
  std::vector<std::string> all = words;
  all.insert(all.end(), {STAGECRAFT_EXECUTABLE, "train", "run.toml"});
  Process process(all, workplace(folder));
  const bool trains = becomes_true([&] { return has_bytes(folder.path() / "run/metrics.jsonl"); });
  CHECK(trains);
  for (const int signal : signals) {
    ::kill(process.pid(), trains ? signal : SIGKILL);
  }
  const Ended ended = process.wait();
  CAPTURE(ended.out, ended.err);
  CHECK(ended.status == 75);
  CHECK_THAT(ended.err, Catch::Contains("stopping after this step"));
  CHECK_THAT(ended.out, Catch::Contains("checkpoint of step ") &&
                            Catch::Contains("Stopped on request after") &&
                            Catch::Contains("--resume run"));
  CHECK(newest_checkpoint(folder.path()) == rows_of_steps(folder.path() / "run/metrics.jsonl"));
  CHECK_FALSE(has_model(folder.path()));
  CHECK_THAT(result_of(folder.path()), Catch::Contains("\"stopped\""));
}

/// 16 MB of validation text, which take a minute or more.
fs::path long_evaluation(const TemporaryFolder& folder) {
  workplace(folder);
  std::ofstream(folder.path() / "text.txt") << std::string(16'000'000, 'a');
  return folder.path();
}

const std::vector<std::string> kLongEvaluation = {"--set", "data.validation_fraction=0.99", "--set",
                                                  "train.eval_batches=0"};

std::vector<std::string> train_words(std::vector<std::string> more) {
  more.insert(more.begin(), {"train", "run.toml"});
  more.insert(more.end(), kLongEvaluation.begin(), kLongEvaluation.end());
  return more;
}

/// A shell that runs the executable behind these words.
Ended run_in_shell(const std::string& before, const std::string& behind, const fs::path& folder) {
  const std::string command =
      before + " " + STAGECRAFT_EXECUTABLE + " train run.toml --set run.directory=run " + behind;
  return Process({"/bin/bash", "-c", command}, folder).wait();
}

}  // namespace

TEST_CASE("the first signal finishes the step, writes a checkpoint, says so and ends with 75") {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) {
    CAPTURE(signal);
    check_stops({signal});
  }
}

TEST_CASE(
    "without a directory for checkpoints SIGUSR2 saves nothing, and a stop writes the model") {
  const TemporaryFolder folder;
  Process process =
      start_stagecraft({"train", "run.toml", "--set", "checkpoint.directory="}, workplace(folder));
  const bool trains = becomes_true([&] { return has_bytes(folder.path() / "run/metrics.jsonl"); });
  CHECK(trains);
  ::kill(process.pid(), SIGUSR2);
  CHECK(becomes_true([&] { return has_bytes(process.error_file()); }));
  ::kill(process.pid(), trains ? SIGTERM : SIGKILL);
  const Ended ended = process.wait();
  CAPTURE(ended.out, ended.err);
  CHECK(ended.status == 75);
  CHECK_THAT(ended.err, Catch::Contains("nothing is saved, because checkpoint.directory is \"\""));
  CHECK(has_model(folder.path()));
  CHECK_FALSE(fs::exists(folder.path() / "run/checkpoints"));
}

TEST_CASE("SIGUSR2 writes a checkpoint, again each time, and the run goes on") {
  const TemporaryFolder folder;
  Process process = start_stagecraft({"train", "run.toml"}, workplace(folder));
  const fs::path metrics = folder.path() / "run/metrics.jsonl";
  CHECK(becomes_true([&] { return has_bytes(metrics); }));
  ::kill(process.pid(), SIGUSR2);
  CHECK(becomes_true([&] { return newest_checkpoint(folder.path()) > 0; }));
  const std::int64_t first = newest_checkpoint(folder.path());
  ::kill(process.pid(), SIGUSR2);
  CHECK(becomes_true([&] { return newest_checkpoint(folder.path()) > first; }));
  const std::int64_t before = rows(metrics);
  CHECK(becomes_true([&] { return rows(metrics) > before + 20; }));
  ::kill(process.pid(), SIGTERM);
  const Ended ended = process.wait();
  CAPTURE(ended.out, ended.err);
  CHECK(ended.status == 75);
  CHECK_THAT(ended.err, Catch::Contains("a checkpoint follows this step, and the run goes on"));
}

TEST_CASE("a lost terminal that is told twice is one signal") { check_stops({SIGHUP, SIGHUP}); }

TEST_CASE("the two signals that `timeout` sends are one") { check_stops({SIGTERM, SIGTERM}); }

TEST_CASE("a hangup that is ignored stays so") {
  const TemporaryFolder folder;
  Process process({"/bin/bash", "-c",
                   std::string("trap '' HUP; exec ") + STAGECRAFT_EXECUTABLE + " train run.toml"},
                  workplace(folder));
  const fs::path metrics = folder.path() / "run/metrics.jsonl";
  CHECK(becomes_true([&] { return has_bytes(metrics); }));
  ::kill(process.pid(), SIGHUP);
  const std::int64_t before = rows(metrics);
  CHECK(becomes_true([&] { return rows(metrics) > before + 20; }));
  CHECK_FALSE(has_bytes(process.error_file()));
  ::kill(process.pid(), SIGTERM);
  CHECK(process.wait().status == 75);
}

TEST_CASE("a stop is heard in an evaluation between two steps, which then has no loss") {
  const TemporaryFolder folder;
  Process process =
      start_stagecraft(train_words({"--set", "train.eval_every=1"}), long_evaluation(folder));
  const fs::path metrics = folder.path() / "run/metrics.jsonl";
  const bool evaluates = becomes_true([&] { return has_bytes(metrics); });
  CHECK(evaluates);  // the row of step 1 is there while the evaluation runs
  ::kill(process.pid(), evaluates ? SIGTERM : SIGKILL);
  const Ended ended = process.wait();
  CAPTURE(ended.out, ended.err);
  CHECK(ended.status == 75);
  CHECK_THAT(ended.out, Catch::Contains("the evaluation after step 1 was cut short"));
  CHECK(rows_of_steps(metrics) == 1);
  CHECK_FALSE(Catch::Contains("validation_loss").match(read_file(metrics)));
  CHECK_THAT(result_of(folder.path()),
             Catch::Contains("\"steps\": 1") && Catch::Contains("\"validation_loss\": null"));
  CHECK(newest_checkpoint(folder.path()) == 1);
}

TEST_CASE(
    "the model is there while the last evaluation runs, and a stop there ends a complete run") {
  const TemporaryFolder folder;
  Process process =
      start_stagecraft(train_words({"--set", "train.steps=2", "--set", "train.warmup_steps=0"}),
                       long_evaluation(folder));
  const bool written = becomes_true([&] { return has_model(folder.path()); });
  CHECK(written);
  ::kill(process.pid(), written ? SIGTERM : SIGKILL);
  const Ended ended = process.wait();
  CAPTURE(ended.out, ended.err);
  CHECK(ended.status == 0);
  CHECK_THAT(ended.out, Catch::Contains("the evaluation after step 2 was cut short"));
  CHECK_THAT(result_of(folder.path()),
             Catch::Contains("\"finished\"") && Catch::Contains("\"validation_loss\": null"));
}

TEST_CASE("a run goes on when nobody reads its output") {
  const TemporaryFolder folder;
  const Ended ended =
      run_in_shell("set -o pipefail;", "--set train.steps=200 2>&1 | head -n 1", workplace(folder));
  CAPTURE(ended.out, ended.err);
  CHECK(ended.status == 0);
  CHECK(rows_of_steps(folder.path() / "run/metrics.jsonl") == 200);
  CHECK(has_model(folder.path()));
}

TEST_CASE("a file that may not grow is an error, the first one is the cause, and no part is left") {
  const TemporaryFolder folder;
  // 64 KiB: less than the model and the trace, more than the other files.
  const Ended ended = run_in_shell("ulimit -f 64; exec",
                                   "--set train.steps=3 --set "
                                   "train.warmup_steps=0",
                                   workplace(folder));
  CAPTURE(ended.out, ended.err);
  CHECK(ended.status == 1);
  const std::string first = ended.err.substr(0, ended.err.find('\n'));
  CHECK_THAT(first, Catch::Contains("the run failed:") && Catch::Contains("model.safetensors") &&
                        Catch::Contains("File too large"));
  CHECK_THAT(result_of(folder.path()),
             Catch::Contains("\"failed\"") && Catch::Contains("model.safetensors.unfinished"));
  CHECK(fs::is_empty(folder.path() / "run/model"));
}

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

TEST_CASE("a terminal that is stopped (Ctrl-S) delays no step, no stop and no checkpoint") {
  const TemporaryFolder folder;
  Terminal terminal;
  Process process({STAGECRAFT_EXECUTABLE, "train", "run.toml"}, workplace(folder), terminal.path());
  const fs::path metrics = folder.path() / "run/metrics.jsonl";
  CHECK(becomes_true([&] { return has_bytes(metrics); }));
  CHECK(becomes_true([&] { return terminal.text().find("step ") != std::string::npos; }));
  terminal.stop();
  const std::int64_t before = rows(metrics);
  CHECK(becomes_true([&] { return rows(metrics) > before + 200; }));
  ::kill(process.pid(), SIGTERM);
  const bool written = becomes_true([&] { return newest_checkpoint(folder.path()) > 0; });
  CHECK(written);
  terminal.go_on();
  CHECK(becomes_true(
      [&] { return terminal.text().find("Stopped on request") != std::string::npos; }));
  ::kill(process.pid(), written ? 0 : SIGKILL);
  CHECK(process.wait().status == 75);
  CHECK_THAT(terminal.text(), Catch::Contains("checkpoint of step "));
}

TEST_CASE("the first error is the cause of a failed run") {
  const TemporaryFolder folder;
  workplace(folder);
  const Ended ended = run_stagecraft({"train", "run.toml", "--set", "train.learning_rate=1e30",
                                      "--set", "train.warmup_steps=0", "--set", "train.clip=0"},
                                     folder.path());
  CAPTURE(ended.err);
  CHECK(ended.status == 1);
  CHECK(ended.err.find("the run failed: step 2: ") == 0);
  CHECK_THAT(result_of(folder.path()), Catch::Contains("\"cause\": \"step 2: the loss is"));
}
