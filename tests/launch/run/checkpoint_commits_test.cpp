#include "launch/run/checkpoint_commits.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "models/checkpoint/checkpoint_folder.h"
#include "models/checkpoint/checkpoint_reader.h"
#include "tests/kernels/base/memory_file_system.h"
#include "tests/kernels/base/observed_file_system.h"
#include "tests/models/checkpoint/whole_checkpoint.h"
#include "tests/models/parameters/memory_state.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using test::FileCallKind;
using Steps = std::vector<std::int64_t>;

const fs::path kDirectory = test::MemoryFileSystem::root() / "checkpoints";

/// A run whose ranks write at once. Its files can fail.
class SavingRun {
 public:
  explicit SavingRun(const test::FileFault& fault = {.call = 0},
                     const CheckpointConfig& keep = {.keep = 2})
      : files_(test::failing_file_system(memory_, fault)),
        commits_({.files = files_,
                  .directory = kDirectory,
                  .keep = keep,
                  .identity = {{{"train.seed", "1"}}, {{"program", "p"}}, {{7, "a reason"}}},
                  .sync_rows = [this] { events_.push_back("rows"); },
                  .say = [this](const std::string& text) { events_.push_back(text); }}) {}

  void save(std::int64_t step) {
    const test::UnfinishedCheckpoint made =
        test::write_unfinished(*memory_, kDirectory, step, parameters_, values_);
    commits_.on_checkpoint({made.folder, made.manifest, 1.5, ranks_without_copy});
  }
  RunResult finish(std::int64_t steps, bool stopped_early) {
    RunResult result;
    result.steps = steps;
    result.stopped_early = stopped_early;
    commits_.finish(result);
    return result;
  }
  CheckpointCommits& commits() { return commits_; }
  FileSystem& files() { return *memory_; }
  Steps steps() { return checkpoint_steps(*memory_, kDirectory); }
  std::vector<int> ranks_without_copy;
  /// Call it after finish().
  const std::vector<std::string>& events() const { return events_; }

 private:
  std::shared_ptr<test::MemoryFileSystem> memory_ = std::make_shared<test::MemoryFileSystem>();
  std::shared_ptr<FileSystem> files_;
  std::vector<ParameterSpec> parameters_{{"table", {5, 3}, {}, {}}, {"bias", {4}, {}, {}}};
  test::MemoryState values_{parameters_};
  std::vector<std::string> events_;
  CheckpointCommits commits_;
};

TEST_CASE("a checkpoint is committed behind its rows, says of which run it is, and is told") {
  SavingRun run;
  run.save(4);
  CHECK(run.finish(4, true).failure.empty());
  REQUIRE(run.events().size() == 2);
  CHECK(run.events()[0] == "rows");
  CHECK_THAT(run.events()[1],
             Contains("checkpoint of step 4 in " + (kDirectory / "step-4").string()) &&
                 Contains(" in 1.50 s"));
  const CheckpointReader reader(run.files(), kDirectory / "step-4");
  CHECK_NOTHROW(reader.verify());
  CHECK(reader.manifest().settings.at("train.seed") == "1");
  CHECK(reader.manifest().origin.at("program") == "p");
  CHECK(reader.manifest().different_bits == std::vector<DifferentBits>{{7, "a reason"}});
}

TEST_CASE("that training waits for checkpoints is said once, with the ranks") {
  SavingRun run;
  run.ranks_without_copy = {0, 3};
  run.save(2);
  run.save(4);
  run.finish(4, false);
  CHECK(std::ranges::count_if(run.events(), [](const std::string& text) {
          return text.starts_with("training waits while a checkpoint is written: ") &&
                 text.find("the state of rank 0, 3;") != std::string::npos;
        }) == 1);
}

TEST_CASE("as many checkpoints stay as the configuration keeps") {
  SavingRun run;
  for (const std::int64_t step : {2, 4, 6, 8}) {
    run.save(step);
  }
  run.finish(8, false);
  CHECK(run.steps() == Steps{6, 8});
}

TEST_CASE(
    "a commit that fails is said once, leaves the earlier checkpoint and nothing unfinished") {
  std::ptrdiff_t said = 0;
  for (const FileCallKind kind : {FileCallKind::write, FileCallKind::sync, FileCallKind::rename}) {
    CAPTURE(static_cast<int>(kind));
    SavingRun run({kind, kind == FileCallKind::rename ? 3 : 5, ENOSPC});
    for (const std::int64_t step : {2, 4, 6, 8, 10, 12}) {
      run.save(step);
    }
    const RunResult result = run.finish(13, false);
    CHECK(result.failure.empty());
    const auto failures = std::ranges::count_if(run.events(), [](const std::string& text) {
      return text.find("cannot be written, and the run goes on: ") != std::string::npos &&
             text.find("No space left on device") != std::string::npos;
    });
    CHECK(failures <= 1);  // none where the hint `latest` alone could not be written
    said += failures;
    CHECK(run.steps() == Steps{10, 12});
    for (const std::int64_t step : run.steps()) {
      CHECK_NOTHROW(CheckpointReader(run.files(), checkpoint_folder(kDirectory, step)).verify());
    }
    CHECK_FALSE(std::ranges::any_of(run.files().list(kDirectory), [](const std::string& name) {
      return name.ends_with(".unfinished");
    }));
  }
  CHECK(said > 0);
}

TEST_CASE("an old checkpoint that cannot be removed is said, and the newest stay whole") {
  int said = 0;
  for (int call = 1; call <= 4; ++call) {
    SavingRun run({FileCallKind::remove, call, EIO});
    for (const std::int64_t step : {2, 4, 6}) {
      run.save(step);
    }
    CHECK(run.finish(6, false).failure.empty());
    said += static_cast<int>(std::ranges::count_if(run.events(), [](const std::string& text) {
      return text.starts_with("an old checkpoint cannot be removed, and the run goes on: ");
    }));
    for (const std::int64_t step : {4, 6}) {
      CHECK_NOTHROW(CheckpointReader(run.files(), checkpoint_folder(kDirectory, step)).verify());
    }
  }
  CHECK(said > 0);
}

TEST_CASE("what the ranks could not write is removed and said, and the run goes on") {
  SavingRun run;
  const fs::path unfinished = begin_checkpoint(run.files(), kDirectory, 3);
  run.commits().on_checkpoint_failed({unfinished, 3, "rank 1: [x] No space left on device"});
  CHECK(run.finish(9, false).failure.empty());
  CHECK_FALSE(run.files().exists(unfinished));
  REQUIRE(run.events().size() == 1);
  CHECK_THAT(run.events()[0],
             Contains("the checkpoint of step 3 cannot be written, and the run goes "
                      "on: rank 1: [x] No space left"));
}

TEST_CASE("a run that was stopped and cannot go on from its last step has failed") {
  SavingRun run;
  run.save(2);
  const fs::path unfinished = begin_checkpoint(run.files(), kDirectory, 3);
  run.commits().on_checkpoint_failed({unfinished, 3, "rank 1: [x] No space left on device"});
  CHECK_THAT(run.finish(3, true).failure,
             Contains("was stopped after step 3, and its checkpoint is not written: rank 1: [x] No "
                      "space left"));
  CHECK(run.finish(2, true).failure.empty());   // of step 2 there is one
  CHECK(run.finish(3, false).failure.empty());  // a finished run has its model
  run.commits().on_model_written("model");
  CHECK(run.finish(3, true).failure.empty());
}

TEST_CASE("a run that has failed keeps its cause") {
  SavingRun run;
  RunResult result;
  result.failure = "stage 1 fell";
  result.stopped_early = true;
  run.commits().finish(result);
  CHECK(result.failure == "stage 1 fell");
}

TEST_CASE("what an earlier run left unfinished is removed at the start") {
  const auto files = std::make_shared<test::MemoryFileSystem>();
  const fs::path unfinished = begin_checkpoint(*files, kDirectory, 3);
  const CheckpointCommits commits({.files = files,
                                   .directory = kDirectory,
                                   .keep = {},
                                   .identity = {},
                                   .sync_rows = [] {},
                                   .say = [](const std::string&) {}});
  CHECK_FALSE(files->exists(unfinished));
}

}  // namespace
}  // namespace stagecraft
