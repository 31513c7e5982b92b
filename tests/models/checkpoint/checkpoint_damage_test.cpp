// Whatever is wrong with a checkpoint is found before one of its elements is given out.
#include <catch2/catch.hpp>
#include <random>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "models/checkpoint/checkpoint_folder.h"
#include "models/checkpoint/checkpoint_reader.h"
#include "tests/kernels/base/memory_file_system.h"
#include "tests/models/checkpoint/saved_checkpoint.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using namespace test;

const fs::path kDirectory = MemoryFileSystem::root() / "checkpoints";
const Split kWriters{2, 1};

std::string place(const fs::path& path) { return fmt::format("[{}] ", path.string()); }

struct Saved {
  MemoryFileSystem files;
  fs::path folder = save_checkpoint(files, kDirectory, 9, kWriters);
  /// Of the folder, in their order.
  std::vector<std::string> names = files.list(folder);

  fs::path path(std::size_t file) const { return folder / names.at(file); }
  void put(const fs::path& path, const std::string& contents) { fill_file(files, path, contents); }
  /// What verify() finds; "" if the checkpoint is whole.
  std::string fault() {
    try {
      CheckpointReader(files, folder).verify();
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }
  /// Whether reading all of the state over a split ends in an error or with the right elements.
  bool reads_right_or_fails(const Split& split) {
    try {
      return reads_back(files, folder, 9, split);
    } catch (const Error&) {
      return true;
    }
  }
};

TEST_CASE("10,000 flipped bits are all found, each with its file, and none is given out") {
  Saved saved;
  REQUIRE(saved.fault().empty());
  std::mt19937 random(20);
  for (int flip = 0; flip < 10000; ++flip) {
    const fs::path path = saved.path(random() % saved.names.size());
    const std::string whole = saved.files.read(path);
    std::string damaged = whole;
    const std::size_t bit = random() % (8 * whole.size());
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    saved.put(path, damaged);
    CAPTURE(path.string(), bit);
    REQUIRE_THAT(saved.fault(), Contains(place(path)));
    if (flip % 10 == 0) {
      REQUIRE(saved.reads_right_or_fails({3, 1}));
      REQUIRE(saved.reads_right_or_fails(kWriters));
    }
    saved.put(path, whole);
  }
  CHECK(saved.fault().empty());
}

TEST_CASE("a damaged element is named with its tensor, kind and box") {
  Saved saved;
  const fs::path path = saved.folder / "rank-0.safetensors";
  std::string contents = saved.files.read(path);
  contents.back() = static_cast<char>(contents.back() ^ 1);
  saved.put(path, contents);
  CHECK_THAT(
      saved.fault(),
      Contains(place(path) + "tensor many.weight:second_moment[0:3,0:4,0:2,0:12] is damaged"));
}

TEST_CASE("files that are cut, longer, swapped, missing, strange or of another checkpoint") {
  Saved saved;
  const fs::path other = save_checkpoint(saved.files, kDirectory, 10, kWriters);
  for (std::size_t i = 0; i < saved.names.size(); ++i) {
    const fs::path path = saved.path(i);
    CAPTURE(path.string());
    const std::string whole = saved.files.read(path);
    for (const std::size_t length :
         {std::size_t{0}, std::size_t{5}, std::size_t{9}, whole.size() / 2, whole.size() - 1}) {
      saved.put(path, whole.substr(0, length));
      CHECK_THAT(saved.fault(), Contains(place(path)));
    }
    saved.put(path, whole + "x");
    CHECK_THAT(saved.fault(), Contains(place(path)));
    saved.put(path, saved.files.read(other / saved.names[i]));
    CHECK_THAT(saved.fault(), Contains(saved.folder.string()));
    CHECK(saved.reads_right_or_fails({3, 1}));
    saved.files.remove(path);
    CHECK_THAT(saved.fault(), Contains(place(path) + "cannot open"));
    saved.put(path, whole);
    REQUIRE(saved.fault().empty());
  }
}

TEST_CASE("files of two ranks that are exchanged") {
  Saved saved;
  const fs::path a = saved.folder / "rank-0.safetensors";
  const fs::path b = saved.folder / "rank-1.safetensors";
  const std::string first = saved.files.read(a);
  saved.put(a, saved.files.read(b));
  saved.put(b, first);
  CHECK_THAT(saved.fault(), Contains(place(a)));
  CHECK(saved.reads_right_or_fails({1, 1}));
}

TEST_CASE("the manifest of another run with the same names, sizes and step") {
  Saved saved;
  MemoryFileSystem others;
  const std::vector<ParameterSpec> parameters = checkpoint_parameters();
  const StateOfStep values(parameters, 77);
  const fs::path unfinished = begin_checkpoint(others, kDirectory, 9);
  std::vector<std::vector<WrittenPiece>> written;
  for (int rank = 0; rank < kWriters.ranks(); ++rank) {
    written.push_back(write_rank(others, unfinished, parameters, kWriters, rank, values));
  }
  commit_checkpoint(others, unfinished, manifest_of(9, parameters, kWriters, written, values));
  saved.put(saved.folder / "manifest.json", others.read(saved.folder / "manifest.json"));
  CHECK_THAT(saved.fault(), Contains(place(saved.folder / "rank-0.safetensors") +
                                     "tensor table:weight[0:18,0:5] is damaged or of another"));
  CHECK_THROWS_AS(reads_back(saved.files, saved.folder, 9, {1, 1}), Error);
}

TEST_CASE("a file that does not belong to the checkpoint") {
  Saved saved;
  saved.put(saved.folder / "rank-4.safetensors", saved.files.read(saved.path(1)));
  CHECK_THAT(saved.fault(), Contains("rank-4.safetensors] does not belong to the checkpoint"));
}

TEST_CASE("a folder with the name of another step") {
  Saved saved;
  const fs::path moved = checkpoint_folder(kDirectory, 11);
  saved.files.rename(saved.folder, moved);
  saved.folder = moved;
  CHECK_THAT(saved.fault(), Contains("step-11] holds the checkpoint of step 9"));
  saved.folder = kDirectory / "a copy";
  saved.files.rename(moved, saved.folder);
  CHECK(saved.fault().empty());
}

TEST_CASE("hashes of tensors that do not belong to the elements") {
  Saved saved;
  const fs::path path = saved.folder / "manifest.json";
  CheckpointManifest manifest = parse_manifest("m", saved.files.read(path));
  ++manifest.tensors[1].states[2].hash;
  saved.put(path, manifest_json(manifest));
  CHECK_THAT(saved.fault(), Contains("tensor rows.weight, second_moment: the hash"));
}

}  // namespace
}  // namespace stagecraft
