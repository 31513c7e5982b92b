// Any call of a save fails: the earlier checkpoint stays, and the run can go on.
#include <catch2/catch.hpp>
#include <set>

#include "kernels/base/error.h"
#include "models/checkpoint/checkpoint_folder.h"
#include "models/checkpoint/checkpoint_reader.h"
#include "tests/kernels/base/memory_file_system.h"
#include "tests/kernels/base/observed_file_system.h"
#include "tests/models/checkpoint/saved_checkpoint.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using namespace test;

const fs::path kDirectory = MemoryFileSystem::root() / "checkpoints";
const Split kSplit{2, 1};

std::shared_ptr<MemoryFileSystem> with_an_earlier_one() {
  auto files = std::make_shared<MemoryFileSystem>();
  save_checkpoint(*files, kDirectory, 5, kSplit);
  return files;
}

/// Saves step 10 and keeps it alone, as a driver does. Returns the error; "" if there was none.
std::string save_and_prune(FileSystem& files) {
  try {
    save_checkpoint(files, kDirectory, 10, kSplit);
    prune_checkpoints(files, kDirectory, {.keep = 1});
    return "";
  } catch (const Error& error) {
    discard_checkpoint(files, kDirectory / "step-10.unfinished");
    return error.what();
  }
}

/// The calls of a save that succeeds.
std::vector<FileCall> calls_of_a_save() {
  const auto calls = std::make_shared<std::vector<FileCall>>();
  REQUIRE(save_and_prune(*recording_file_system(with_an_earlier_one(), calls)).empty());
  return *calls;
}

/// Each call of a save, as the fault that makes it fail.
std::vector<FileFault> faults(int code) {
  const std::vector<FileCall> calls = calls_of_a_save();
  std::vector<FileFault> all;
  std::map<FileCallKind, int> counts;
  for (const FileCall& call : calls) {
    all.push_back({call.kind, ++counts[call.kind], code});
  }
  return all;
}

void check_whole(FileSystem& files) {
  const std::vector<std::int64_t> steps = checkpoint_steps(files, kDirectory);
  CHECK_FALSE(steps.empty());
  for (const std::int64_t step : steps) {
    CHECK_NOTHROW(CheckpointReader(files, checkpoint_folder(kDirectory, step)).verify());
  }
}

TEST_CASE("whatever call fails, what has a final name is whole, and the error names the path") {
  const auto [code, reason] =
      GENERATE(std::pair(ENOSPC, "No space left on device"), std::pair(EIO, "Input/output error"));
  for (const FileFault& fault : faults(code)) {
    CAPTURE(static_cast<int>(fault.kind), fault.call, code);
    const auto files = with_an_earlier_one();
    const std::string error = save_and_prune(*failing_file_system(files, fault));
    check_whole(*files);
    const std::int64_t newest = newest_checkpoint(*files, kDirectory);
    if (error.empty()) {
      CHECK(newest == 10);  // it was the hint that failed
    } else {
      CHECK_THAT(error, Contains(fmt::format("[{}", kDirectory.string())) && Contains(reason));
      CHECK((newest == 5 || newest == 10));
    }
    // The next save finds a directory in which it succeeds.
    discard_unfinished(*files, kDirectory);
    REQUIRE(save_and_prune(*files).empty());
    CHECK(reads_back(*files, checkpoint_folder(kDirectory, 10), 10, kSplit));
    CHECK(files->list(kDirectory) == std::vector<std::string>{"latest", "step-10"});
  }
}

TEST_CASE("a save that fails before its commit leaves the directory as it was") {
  const std::vector<FileCall> calls = calls_of_a_save();
  const auto before = with_an_earlier_one();
  int checked = 0;
  for (const FileCallKind kind : {FileCallKind::create, FileCallKind::write, FileCallKind::sync}) {
    for (int call = 1; call <= count_of(calls, kind); ++call) {
      CAPTURE(static_cast<int>(kind), call);
      const auto files = with_an_earlier_one();
      if (!save_and_prune(*failing_file_system(files, {kind, call, ENOSPC})).empty()) {
        CHECK(files->paths() == before->paths());
        CHECK(files->list(kDirectory) == before->list(kDirectory));
        ++checked;
      }
    }
  }
  CHECK(checked > 40);
}

TEST_CASE("a step that cannot be saved once more stays as it was") {
  const auto [kind, error] = GENERATE(
      std::pair(FileCallKind::exchange, "step-5] cannot exchange names with step-5.unfinished"),
      std::pair(FileCallKind::rename,
                "step-5.removed] cannot take the place of step-5.unfinished"));
  const auto files = with_an_earlier_one();
  const auto failing = failing_file_system(files, {kind, 1, EIO});
  CHECK_THROWS_WITH(save_checkpoint(*failing, kDirectory, 5, {1, 1}), Contains(error));
  CHECK(reads_back(*files, checkpoint_folder(kDirectory, 5), 5, kSplit));
}

TEST_CASE("a file whose flush failed is not flushed again, and no rename follows") {
  const std::vector<FileCall> clean = calls_of_a_save();
  for (int call = 1; call <= count_of(clean, FileCallKind::sync); ++call) {
    CAPTURE(call);
    const auto calls = std::make_shared<std::vector<FileCall>>();
    const auto files = recording_file_system(
        failing_file_system(with_an_earlier_one(), {FileCallKind::sync, call, EIO}), calls);
    const bool failed = !save_and_prune(*files).empty();
    std::map<fs::path, int> flushes;
    for (const FileCall& each : *calls) {
      flushes[each.path] += each.kind == FileCallKind::sync ? 1 : 0;
    }
    for (const auto& [path, count] : flushes) {
      CAPTURE(path.string());
      CHECK(count <= 1);
    }
    CHECK((!failed || count_of(*calls, FileCallKind::rename) == 0));
  }
}

}  // namespace
}  // namespace stagecraft
