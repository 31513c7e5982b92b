#include "tests/end_to_end/crash_points.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "kernels/base/file.h"
#include "tests/end_to_end/process.h"
#include "tests/end_to_end/run_rows.h"
#include "tests/end_to_end/small_config.h"

namespace stagecraft::test {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSteps = 6;
constexpr int kNever = 1'000'000;

std::vector<std::string> sets(std::initializer_list<const char*> values) {
  std::vector<std::string> words;
  for (const char* value : values) {
    words.emplace_back("--set");
    words.emplace_back(value);
  }
  return words;
}

std::string model_of(const fs::path& run) { return read_file(run / "model/model.safetensors"); }

}  // namespace

const std::vector<CrashLayout>& crash_layouts() {
  static const std::vector<CrashLayout> layouts = {
      {"1 rank", 1, false, {}},
      {"2 ranks", 2, false, sets({"parallel.pipeline=2"})},
      {"8 ranks", 8, false, sets({"parallel.pipeline=2", "parallel.tensor=2", "parallel.data=2"})},
      {"2 processes", 2, true, sets({"parallel.data=2", "run.mode=mpi"})},
      {"8 processes", 8, true,
       sets({"parallel.pipeline=2", "parallel.tensor=2", "parallel.data=2", "run.mode=mpi"})}};
  return layouts;
}

CrashRuns::CrashRuns(const CrashLayout& layout, int rank) : layout_(layout), rank_(rank) {
  write_small_run(folder_.path(), kSteps);
  int status = 0;
  const std::string text = train("whole", kNever, true, status);
  require(status == 0, "CrashRuns", "the run without a crash failed: {}", text);
  std::ifstream(folder_.path() / "calls") >> calls_;
}

/// Returns what the run has printed.
std::string CrashRuns::train(const std::string& directory, int call, bool faulty,
                             int& status) const {
  const char* program = faulty ? STAGECRAFT_FAULTY : STAGECRAFT_EXECUTABLE;
  std::vector<std::string> words{program, "train", "run.toml"};
  if (layout_.processes) {
    words = {STAGECRAFT_LAUNCH_TRAIN, "run.toml", "--program", program};
  }
  words.insert(words.end(), layout_.words.begin(), layout_.words.end());
  const std::vector<std::string> more =
      sets({"checkpoint.every=2", "checkpoint.keep=1", "metrics.state_hash_every=1",
            "train.eval_every=3", "trace.file=\"\"", "device.threads=1"});
  words.insert(words.end(), more.begin(), more.end());
  words.insert(words.end(), {"--set", "run.directory=" + directory});
  ::setenv(kCrashVariable,
           fmt::format("{} {} {}", rank_, call, (folder_.path() / "calls").string()).c_str(), 1);
  Process process(words, folder_.path());
  ::unsetenv(kCrashVariable);
  const Ended ended = process.wait();
  status = ended.status;
  return ended.out + ended.err;
}

CrashRuns::Outcome CrashRuns::crash_at(int call) const {
  fs::remove_all(folder_.path() / "run");
  int status = 0;
  const std::string crash = train("run", call, true, status);
  if (status == 0) {
    return {false, difference()};
  }
  if (status != (layout_.processes ? 1 : 128 + SIGKILL)) {
    return {false, fmt::format("the run was not killed, but ended with {}: {}", status, crash)};
  }
  const std::string rest = train("run", kNever, false, status);
  if (status != 0) {
    return {true, fmt::format("the run did not go on: {}", rest)};
  }
  const std::string differs = difference();
  return {true, differs.empty() ? "" : differs + ": " + rest};
}

/// From the run without a crash.
std::string CrashRuns::difference() const {
  const fs::path run = folder_.path() / "run";
  const fs::path whole = folder_.path() / "whole";
  if (model_of(run) != model_of(whole)) {
    return "the model differs from that of the run without a crash";
  }
  return rows_without_times(run) == rows_without_times(whole)
             ? ""
             : "the rows differ from those of the run without a crash";
}

}  // namespace stagecraft::test
