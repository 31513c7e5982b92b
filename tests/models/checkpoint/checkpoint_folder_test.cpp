#include "models/checkpoint/checkpoint_folder.h"

#include <catch2/catch.hpp>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "models/checkpoint/checkpoint_reader.h"
#include "tests/kernels/base/memory_file_system.h"
#include "tests/kernels/base/observed_file_system.h"
#include "tests/models/checkpoint/saved_checkpoint.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using namespace test;
using Steps = std::vector<std::int64_t>;

const fs::path kDirectory = MemoryFileSystem::root() / "runs" / "big" / "checkpoints";

/// A committed checkpoint without tensors.
void commit_empty(FileSystem& files, std::int64_t step) {
  CheckpointManifest manifest;
  manifest.step = step;
  commit_checkpoint(files, begin_checkpoint(files, kDirectory, step), manifest);
}

std::shared_ptr<MemoryFileSystem> with_steps(const Steps& steps) {
  auto files = std::make_shared<MemoryFileSystem>();
  for (const std::int64_t step : steps) {
    commit_empty(*files, step);
  }
  return files;
}

TEST_CASE("a checkpoint has its name when it is committed, and latest says which one it is") {
  MemoryFileSystem files;
  const fs::path unfinished = begin_checkpoint(files, kDirectory, 400);
  CHECK(unfinished == kDirectory / "step-400.unfinished");
  CHECK(checkpoint_steps(files, kDirectory).empty());
  CHECK(newest_checkpoint(files, kDirectory) == 0);
  CheckpointManifest manifest;
  manifest.step = 400;
  commit_checkpoint(files, unfinished, manifest);
  CHECK(files.list(kDirectory) == std::vector<std::string>{"latest", "step-400"});
  CHECK(files.read(kDirectory / "latest") == "step-400\n");
  CHECK(newest_checkpoint(files, kDirectory) == 400);
  CHECK(read_manifest(files, checkpoint_folder(kDirectory, 400)) == manifest);
}

TEST_CASE("where there is no directory there are no checkpoints") {
  MemoryFileSystem files;
  CHECK(checkpoint_steps(files, kDirectory).empty());
  CHECK(newest_checkpoint(files, kDirectory) == 0);
  CHECK_NOTHROW(discard_unfinished(files, kDirectory));
  CHECK_NOTHROW(discard_checkpoint(files, kDirectory / "step-1.unfinished"));
  CHECK_NOTHROW(discard_checkpoints_after(files, kDirectory, 1));
  CHECK_NOTHROW(prune_checkpoints(files, kDirectory, {}));
}

TEST_CASE("only the names of steps are checkpoints, in the order of their numbers") {
  const auto files = with_steps({10, 9, 100});
  for (const char* name :
       {"step-", "step-0", "step-07", "step--3", "step-8x", "step-+8", "Step-8", "8",
        "step-11.unfinished", "step-12.removed", "step-99999999999999999999"}) {
    files->make_directory(kDirectory / name);
  }
  CHECK(checkpoint_steps(*files, kDirectory) == Steps{9, 10, 100});
}

TEST_CASE("a checkpoint of a step that is there takes its place") {
  const auto files = std::make_shared<MemoryFileSystem>();
  save_checkpoint(*files, kDirectory, 5, {2, 1});
  const fs::path folder = save_checkpoint(*files, kDirectory, 5, {1, 1});
  CHECK(files->list(folder) == std::vector<std::string>{"manifest.json", "rank-0.safetensors"});
  CHECK(files->list(kDirectory) == std::vector<std::string>{"latest", "step-5"});
  CHECK_NOTHROW(CheckpointReader(*files, folder).verify());
}

TEST_CASE("each rank makes the folder of an unfinished checkpoint, or finds it with its files") {
  MemoryFileSystem files;
  fill_file(files, begin_checkpoint(files, kDirectory, 5) / "rank-1.safetensors", "pieces");
  CHECK(files.list(begin_checkpoint(files, kDirectory, 5)) ==
        std::vector<std::string>{"rank-1.safetensors"});
}

TEST_CASE("the newest one is found among 100 by reading one manifest, and one for each damaged") {
  Steps steps;
  for (std::int64_t step = 1; step <= 100; ++step) {
    steps.push_back(10 * step);
  }
  const auto memory = with_steps(steps);
  const auto calls = std::make_shared<std::vector<FileCall>>();
  const auto files = recording_file_system(memory, calls);
  CHECK(newest_checkpoint(*files, kDirectory) == 1000);
  CHECK(count_of(*calls, FileCallKind::read) == 1);
  CHECK(count_of(*calls, FileCallKind::list) == 1);

  fill_file(*memory, kDirectory / "step-1000" / "manifest.json", "{}");
  memory->remove(kDirectory / "step-990" / "manifest.json");
  calls->clear();
  std::map<std::int64_t, std::string> damaged;
  CHECK(newest_checkpoint(*files, kDirectory, [&](std::int64_t step, const std::string& why) {
          damaged[step] = why;
        }) == 980);
  CHECK(count_of(*calls, FileCallKind::read) <= 3);
  CHECK(damaged.size() == 2);
  CHECK_THAT(damaged[1000], Contains("step-1000/manifest.json] the manifest is truncated"));
  CHECK_THAT(damaged[990], Contains("step-990/manifest.json] cannot open: No such file"));
}

TEST_CASE("a checkpoint without one of its files, or with a shorter one, is passed over") {
  MemoryFileSystem files;
  save_checkpoint(files, kDirectory, 5, {1, 1});
  const fs::path folder = save_checkpoint(files, kDirectory, 10, {2, 1});
  const std::string whole = files.read(folder / "rank-1.safetensors");
  fill_file(files, folder / "rank-1.safetensors", whole.substr(1));
  std::string why;
  const auto told = [&](std::int64_t /*step*/, const std::string& text) { why = text; };
  CHECK(newest_checkpoint(files, kDirectory, told) == 5);
  CHECK_THAT(why, Contains(fmt::format("rank-1.safetensors] the file has {} bytes, but",
                                       whole.size() - 1)));
  files.remove(folder / "rank-1.safetensors");
  CHECK(newest_checkpoint(files, kDirectory, told) == 5);
  CHECK_THAT(why, Contains("rank-1.safetensors] cannot open"));
}

TEST_CASE("the last ones are kept, and those of steps that keep_every divides") {
  const Steps steps{100, 150, 200, 250, 300, 350};
  const auto kept = [&](std::int64_t keep, std::int64_t keep_every) {
    const auto files = with_steps(steps);
    prune_checkpoints(*files, kDirectory, {.keep = keep, .keep_every = keep_every});
    return checkpoint_steps(*files, kDirectory);
  };
  CHECK(kept(3, 0) == Steps{250, 300, 350});
  CHECK(kept(1, 0) == Steps{350});
  CHECK(kept(1, 100) == Steps{100, 200, 300, 350});
  CHECK(kept(2, 300) == Steps{300, 350});
  CHECK(kept(9, 0) == steps);
}

TEST_CASE("what is pruned loses its name on the disk before a file of it is removed") {
  const auto memory = std::make_shared<MemoryFileSystem>();
  save_checkpoint(*memory, kDirectory, 5, {1, 1});
  save_checkpoint(*memory, kDirectory, 10, {1, 1});
  const auto calls = std::make_shared<std::vector<FileCall>>();
  prune_checkpoints(*recording_file_system(memory, calls), kDirectory, {.keep = 1});
  std::vector<FileCallKind> changes;
  for (const FileCall& call : *calls) {
    if (call.kind != FileCallKind::list) {
      changes.push_back(call.kind);
    }
  }
  using enum FileCallKind;
  CHECK(changes == std::vector{rename, sync_directory, remove, remove, remove_directory});
}

TEST_CASE("a run that goes on from an earlier checkpoint discards those behind it") {
  const auto files = with_steps({10, 20, 30, 40});
  discard_checkpoints_after(*files, kDirectory, 20);
  CHECK(files->list(kDirectory) == std::vector<std::string>{"latest", "step-10", "step-20"});
  CHECK(files->read(kDirectory / "latest") == "step-20\n");
  discard_checkpoints_after(*files, kDirectory, 0);
  CHECK(files->list(kDirectory).empty());
}

TEST_CASE("unfinished and removed folders are discarded, and nothing else") {
  const auto files = with_steps({10});
  for (const char* name : {"step-20.unfinished", "step-5.removed", "notes", "x.unfinished"}) {
    files->make_directory(kDirectory / name);
    fill_file(*files, kDirectory / name / "file", "text");
  }
  discard_unfinished(*files, kDirectory);
  CHECK(files->list(kDirectory) ==
        std::vector<std::string>{"latest", "notes", "step-10", "x.unfinished"});
}

}  // namespace
}  // namespace stagecraft
