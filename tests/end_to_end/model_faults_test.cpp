// A run whose disk fails while the model is written ends as failed, and the folder is as it was.
#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <iterator>
#include <thread>

#include "kernels/base/file.h"
#include "kernels/base/posix_file_system.h"
#include "tests/conformance/watchdog.h"
#include "tests/end_to_end/small_run.h"
#include "tests/kernels/base/memory_file_system.h"
#include "tests/kernels/base/observed_file_system.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using namespace test;

/// Four actors, all of which write.
SmallRun tiny_run() {
  SmallRun run;
  run.model.layers = 2;
  run.model.hidden = 8;
  run.model.heads = 2;
  run.model.sequence = 8;
  run.parallel = {.pipeline = 2, .tensor = 2};
  run.batch = {.global_batch = 2, .micro_batch = 1};
  run.run.optimizer.steps = 1;
  run.run.optimizer.warmup_steps = 0;
  return run;
}

RunResult run_with(const std::shared_ptr<FileSystem>& files, const fs::path& folder) {
  SmallRun run = tiny_run();
  run.run.files = files;
  run.run.model_folder = folder;
  KeepingObserver observer;
  const test::Watchdog watchdog("a run whose disk fails", std::chrono::seconds(120));
  return run_training(run.plan(), run.run, run.data(), {observer});
}

std::map<std::string, std::string> contents_of(const fs::path& folder) {
  std::map<std::string, std::string> all;
  for (const auto& entry : fs::directory_iterator(folder)) {
    all[entry.path().filename().string()] = read_file(entry.path());
  }
  return all;
}

std::map<std::string, std::string> write_earlier_model(const fs::path& folder) {
  write_file(folder / "model.safetensors", "earlier weights");
  write_file(folder / "config.json", "earlier config");
  return contents_of(folder);
}

std::vector<FileCall> calls_of_a_run() {
  const TemporaryFolder folder;
  write_earlier_model(folder.path());
  const auto calls = std::make_shared<std::vector<FileCall>>();
  const RunResult result =
      run_with(recording_file_system(std::make_shared<PosixFileSystem>(), calls), folder.path());
  REQUIRE(result.failure.empty());
  return *calls;
}

void check_failure(const FileFault& fault, const char* reason) {
  CAPTURE(static_cast<int>(fault.kind), fault.call);
  const TemporaryFolder folder;
  const auto before = write_earlier_model(folder.path());
  const RunResult result =
      run_with(failing_file_system(std::make_shared<PosixFileSystem>(), fault), folder.path());
  CHECK_THAT(result.failure, Contains(folder.path().string()) && Contains(reason));
  CHECK_FALSE(result.actor_lost);
  if (fault.kind == FileCallKind::sync_directory) {
    CHECK(contents_of(folder.path()).size() == 2);  // the new model, whole
    CHECK((contents_of(folder.path()) != before));
  } else {
    CHECK((contents_of(folder.path()) == before));
  }
}

TEST_CASE(
    "a call that fails while the model is written ends the run with the path and the reason") {
  const std::vector<FileCall> calls = calls_of_a_run();
  const int writes = count_of(calls, FileCallKind::write);
  for (const int call : {1, 2, 3, writes / 2, writes - 1, writes}) {
    check_failure({FileCallKind::write, call, ENOSPC},
                  "cannot write: No space left on device; free");
  }
  for (const FileCallKind kind : {FileCallKind::create, FileCallKind::open, FileCallKind::sync,
                                  FileCallKind::rename, FileCallKind::sync_directory}) {
    REQUIRE(count_of(calls, kind) > 0);
    for (int call = 1; call <= count_of(calls, kind); ++call) {
      check_failure({kind, call, EIO}, "Input/output error; the system's log");
    }
  }
}

TEST_CASE("actors that see each other's bytes only after a flush write the model of one actor") {
  const auto files = std::make_shared<MemoryFileSystem>();
  const fs::path folder = MemoryFileSystem::root() / "run" / "model";
  REQUIRE(run_with(files, folder).failure.empty());
  SmallRun alone = tiny_run();
  alone.parallel = {.pipeline = 1, .tensor = 2};
  KeepingObserver observer;
  CHECK((files->read(folder / "model.safetensors") == trained_bytes(alone, observer)));
  CHECK(files->paths().size() == 2);
}

TEST_CASE("a disk that takes longer for the model than the watchdog waits is no failure") {
  constexpr double kBytesPerSecond = 3e6;
  double unflushed = 0;
  const auto slow = std::make_shared<ObservedFileSystem>(
      std::make_shared<MemoryFileSystem>(), [&](const FileCall& call) {
        unflushed += static_cast<double>(call.bytes.size());
        if (call.kind == FileCallKind::sync) {
          std::this_thread::sleep_for(std::chrono::duration<double>(unflushed / kBytesPerSecond));
          unflushed = 0;
        }
      });
  SmallRun run = tiny_run();
  run.parallel = {};
  run.model.vocab = 20'000;
  run.model.hidden = 64;  // 5 MB
  run.run.options.watchdog_seconds = 1;
  run.run.files = slow;
  run.run.model_folder = MemoryFileSystem::root() / "model";
  KeepingObserver observer;
  const RunResult result = run_training(run.plan(), run.run, run.data(), {observer});
  CHECK(result.failure.empty());
  CHECK(slow->size(run.run.model_folder / "model.safetensors") > 5'000'000);
}

TEST_CASE("short writes are continued") {
  const auto files = short_writing_file_system(std::make_shared<MemoryFileSystem>(), 7);
  const fs::path folder = MemoryFileSystem::root() / "model";
  REQUIRE(run_with(files, folder).failure.empty());
  KeepingObserver observer;
  CHECK((files->read(folder / "model.safetensors") == trained_bytes(tiny_run(), observer)));
}

}  // namespace
}  // namespace stagecraft
