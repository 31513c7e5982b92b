// The power goes at any call of a save: what stands under a final name is whole.
#include <catch2/catch.hpp>

#include "kernels/base/error.h"
#include "models/checkpoint/checkpoint_folder.h"
#include "models/checkpoint/checkpoint_reader.h"
#include "tests/models/checkpoint/power_loss.h"
#include "tests/models/checkpoint/saved_checkpoint.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;
using namespace test;

const fs::path kDirectory = MemoryFileSystem::root() / "checkpoints";

/// Few pieces, of which some have several pages.
std::vector<ParameterSpec> parameters() {
  return {{"large", {12, 300}, {.dimension = 0, .shards = 12}, {}}, {"norm", {5}, {}, {}}};
}

/// What is wrong with the directory's checkpoints; "" if nothing is.
std::string fault_of(MemoryFileSystem& files) {
  std::string fault;
  newest_checkpoint(files, kDirectory,
                    [&](std::int64_t /*step*/, const std::string& why) { fault = why; });
  try {
    for (const std::int64_t step : checkpoint_steps(files, kDirectory)) {
      CheckpointReader(files, checkpoint_folder(kDirectory, step)).verify();
    }
  } catch (const Error& error) {
    fault = error.what();
  }
  return fault;
}

/// As network file systems are.
class WithoutExchange : public MemoryFileSystem {
 public:
  bool exchange(const Path& /*one*/, const Path& /*other*/) override { return false; }
};

/// Does what a recorded call has done.
void replay(FileSystem& files, const FileCall& call) {
  switch (call.kind) {
    case FileCallKind::create:
      files.create(call.path, call.offset);
      return;
    case FileCallKind::write: {
      const auto file = files.open(call.path);
      file->write_some(call.offset, std::as_bytes(std::span(call.bytes)));
      file->sync();
      return;
    }
    case FileCallKind::rename:
      return files.rename(call.path, call.to);
    case FileCallKind::exchange:
      files.exchange(call.path, call.to);
      return;
    case FileCallKind::remove:
      return files.remove(call.path);
    case FileCallKind::make_directory:
      return files.make_directory(call.path);
    case FileCallKind::remove_directory:
      return files.remove_directory(call.path);
    default:
      return;  // changes nothing
  }
}

/// Saves of steps over these splits, each followed by a prune that keeps one, with the calls.
struct RecordedSaves {
  FileCalls calls = std::make_shared<std::vector<FileCall>>();
  std::map<std::size_t, std::int64_t> newest{{0, 0}};  // by how many calls had returned

  RecordedSaves(const std::vector<std::int64_t>& steps, const Split& split,
                const std::shared_ptr<FileSystem>& under = std::make_shared<MemoryFileSystem>()) {
    const auto files = recording_file_system(under, calls);
    for (const std::int64_t step : steps) {
      save_checkpoint(*files, kDirectory, step, split, parameters());
      newest[calls->size()] = step;
      prune_checkpoints(*files, kDirectory, {.keep = 1});
    }
  }
  /// The steps that may be found after so many calls: the last that was committed, or the next.
  std::pair<std::int64_t, std::int64_t> found_after(std::size_t returned) const {
    const auto next = newest.upper_bound(returned);
    const std::int64_t committed = std::prev(next)->second;
    return {committed, next == newest.end() ? committed : next->second};
  }
};

/// Takes the power at every call and looks at every state. Returns how many there were.
int check_all_points(const RecordedSaves& saves, int random) {
  std::mt19937 generator(20);
  PowerLoss disk;
  int states = 0;
  for (std::size_t call = 0; call < saves.calls->size(); ++call) {
    disk.apply(saves.calls->at(call));
    const auto [committed, next] = saves.found_after(call + 1);
    for (const auto& files : disk.states(random, generator)) {
      const std::int64_t found = newest_checkpoint(*files, kDirectory);
      CAPTURE(call, committed, next, found);
      REQUIRE((found == committed || found == next));
      REQUIRE(fault_of(*files).empty());
      ++states;
    }
  }
  return states;
}

TEST_CASE("a power loss at any call of a save leaves the earlier checkpoint or the new one") {
  const Split split = GENERATE(Split{1, 1}, Split{2, 1}, Split{4, 2});
  CAPTURE(split.ranks());
  CHECK(check_all_points(RecordedSaves({5, 10}, split), 4) > 500);
}

/// Looks at every state of the disk.
void check_step_is_whole(const PowerLoss& disk, std::int64_t step, std::mt19937& generator) {
  for (const auto& files : disk.states(4, generator)) {
    REQUIRE(newest_checkpoint(*files, kDirectory) == step);
    REQUIRE(fault_of(*files).empty());
  }
}

TEST_CASE("a step that is saved once more is there at every call") {
  std::mt19937 generator(20);
  const RecordedSaves saves({5, 5}, {2, 1});
  const std::size_t first = std::next(saves.newest.begin())->first;
  PowerLoss disk;
  for (std::size_t call = 0; call < saves.calls->size(); ++call) {
    disk.apply(saves.calls->at(call));
    if (call + 1 >= first) {
      check_step_is_whole(disk, 5, generator);
    }
  }
}

TEST_CASE(
    "without an exchange of names a step that is saved once more may be gone, never damaged") {
  std::mt19937 generator(20);
  const RecordedSaves saves({5, 5}, {2, 1}, std::make_shared<WithoutExchange>());
  PowerLoss disk;
  for (const FileCall& call : *saves.calls) {
    disk.apply(call);
    for (const auto& files : disk.states(4, generator)) {
      REQUIRE(fault_of(*files).empty());
    }
  }
}

TEST_CASE("a power loss while the next start removes what a killed save has left") {
  std::mt19937 generator(20);
  const RecordedSaves saves({5, 5}, {2, 1});
  const std::size_t first = std::next(saves.newest.begin())->first;
  for (std::size_t killed = first; killed <= saves.calls->size(); ++killed) {
    PowerLoss disk;
    const auto files = std::make_shared<MemoryFileSystem>();
    for (std::size_t call = 0; call < killed; ++call) {
      disk.apply(saves.calls->at(call));
      replay(*files, saves.calls->at(call));
    }
    const auto calls = std::make_shared<std::vector<FileCall>>();
    discard_unfinished(*recording_file_system(files, calls), kDirectory);
    for (const FileCall& call : *calls) {
      disk.apply(call);
      check_step_is_whole(disk, 5, generator);
    }
  }
}

TEST_CASE("a run goes on with what a power loss left") {
  std::mt19937 generator(20);
  const RecordedSaves saves({5, 10}, {2, 1});
  PowerLoss disk;
  for (const FileCall& call : *saves.calls) {
    disk.apply(call);
    for (const auto& files : disk.states(1, generator)) {
      discard_unfinished(*files, kDirectory);
      discard_checkpoints_after(*files, kDirectory, newest_checkpoint(*files, kDirectory));
      const fs::path folder = save_checkpoint(*files, kDirectory, 10, {1, 1});
      prune_checkpoints(*files, kDirectory, {.keep = 1});
      REQUIRE(reads_back(*files, folder, 10, {1, 1}));
      REQUIRE(files->list(kDirectory) == std::vector<std::string>{"latest", "step-10"});
    }
  }
}

TEST_CASE("a commit that forgets a flush is found") {
  // Shows that the suite above would find it, whichever flush it is.
  const RecordedSaves whole({5, 10}, {2, 1});
  const std::size_t first = std::next(whole.newest.begin())->first;
  std::vector<bool> found;
  for (std::size_t left_out = first; left_out < whole.calls->size(); ++left_out) {
    const FileCall& flush = whole.calls->at(left_out);
    const bool of_a_save = (flush.kind == FileCallKind::sync &&
                            flush.path.filename().string().find("latest") == std::string::npos);
    if (!of_a_save) {
      continue;
    }
    std::mt19937 generator(20);
    PowerLoss disk;
    bool damaged = false;
    for (std::size_t call = 0; call < whole.calls->size(); ++call) {
      if (call != left_out) {
        disk.apply(whole.calls->at(call));
      }
      for (const auto& files : disk.states(0, generator)) {
        damaged = damaged || !fault_of(*files).empty();
      }
    }
    found.push_back(damaged);
  }
  CHECK(found == std::vector<bool>(3, true));  // two ranks and the manifest
}

}  // namespace
}  // namespace stagecraft
