// A checkpoint is written over one split and read over another.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <thread>

#include "kernels/base/error.h"
#include "kernels/base/posix_file_system.h"
#include "models/checkpoint/checkpoint_folder.h"
#include "models/checkpoint/checkpoint_reader.h"
#include "models/families/gpt.h"
#include "tests/kernels/base/memory_file_system.h"
#include "tests/kernels/base/observed_file_system.h"
#include "tests/models/checkpoint/saved_checkpoint.h"
#include "tests/temporary_folder.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using namespace test;

const fs::path kDirectory = MemoryFileSystem::root() / "checkpoints";
const std::vector<Split> kSplits{{1, 1}, {2, 1}, {3, 1}, {4, 1}, {1, 2}, {1, 3}, {2, 2}, {4, 2}};

TEST_CASE("what any split wrote, any split reads, and verify finds it whole") {
  for (const Split& writers : kSplits) {
    CAPTURE(writers.tensor, writers.data);
    MemoryFileSystem files;
    const fs::path folder = save_checkpoint(files, kDirectory, 7, writers);
    CHECK_NOTHROW(CheckpointReader(files, folder).verify());
    for (const Split& readers : kSplits) {
      CAPTURE(readers.tensor, readers.data);
      CHECK(reads_back(files, folder, 7, readers));
    }
  }
}

TEST_CASE("the manifest that was committed is the one that is read") {
  MemoryFileSystem files;
  const std::vector<ParameterSpec> parameters = checkpoint_parameters();
  const StateOfStep values(parameters, 3);
  const fs::path unfinished = begin_checkpoint(files, kDirectory, 3);
  const auto written = write_rank(files, unfinished, parameters, {}, 0, values);
  const CheckpointManifest manifest = manifest_of(3, parameters, {}, {written}, values);
  commit_checkpoint(files, unfinished, manifest);
  const CheckpointReader reader(files, checkpoint_folder(kDirectory, 3));
  CHECK(reader.manifest() == manifest);
  CHECK(files.size(checkpoint_folder(kDirectory, 3) / "rank-0.safetensors") ==
        checkpoint_file_bytes(pieces_of(parameters, {}, 0)));
}

TEST_CASE("a file of the host's disk is read by several threads") {
  const TemporaryFolder folder;
  PosixFileSystem files;
  const fs::path saved = save_checkpoint(files, folder.path(), 5, {2, 2});
  const std::vector<ParameterSpec> parameters = checkpoint_parameters();
  const StateOfStep values(parameters, 5);
  const CheckpointReader reader(files, saved);
  std::vector<std::vector<float>> found(8);
  std::vector<std::thread> threads;
  const StatePiece piece{parameters[2], StateKind::second_moment, {{1, 5}, {5, 31}}};
  for (std::vector<float>& each : found) {
    each.resize(4 * 26);
    threads.emplace_back([&] { reader.read(piece, each); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  std::vector<float> expected(4 * 26);
  values.read(piece, expected);
  for (const std::vector<float>& each : found) {
    CHECK(each == expected);
  }
}

TEST_CASE("a reader in another language finds the same elements") {
  if (std::system("python3 -c pass") != 0) {
    WARN("python3 is not there");
    return;
  }
  const TemporaryFolder folder;
  PosixFileSystem files;
  const Split split = GENERATE(Split{1, 1}, Split{2, 3});
  const fs::path saved = save_checkpoint(files, folder.path(), 6, split);
  const fs::path out = folder.path() / "elements";
  REQUIRE(std::system(fmt::format("python3 tests/models/checkpoint/read_checkpoint.py {} {}",
                                  saved.string(), out.string())
                          .c_str()) == 0);
  const std::vector<ParameterSpec> parameters = checkpoint_parameters();
  std::string expected;
  for (const ParameterSpec& parameter : parameters) {
    for (const StateKind kind : kStateKinds) {
      std::vector<float> values(static_cast<std::size_t>(elements_of(parameter.shape)));
      StateOfStep(parameters, 6).read({parameter, kind, whole_box(parameter.shape)}, values);
      expected.append(reinterpret_cast<const char*>(values.data()), 4 * values.size());
    }
  }
  CHECK((files.read(out) == expected));
}

/// How many reads of files it takes to read boxes, after the checkpoint was opened.
int reads_for(const Split& writers, const std::vector<Box>& boxes) {
  const auto memory = std::make_shared<MemoryFileSystem>();
  const fs::path folder = save_checkpoint(*memory, kDirectory, 1, writers);
  const auto calls = std::make_shared<std::vector<FileCall>>();
  const auto files = recording_file_system(memory, calls);
  const ParameterSpec parameter = checkpoint_parameters()[2];
  const CheckpointReader reader(*files, folder);
  calls->clear();
  for (const Box& box : boxes) {
    std::vector<float> values(static_cast<std::size_t>(elements_of(box.shape())));
    reader.read({parameter, StateKind::weight, box}, values);
  }
  return count_of(*calls, FileCallKind::read);
}

TEST_CASE("only the pieces that a box meets are read, and a piece that several boxes cut once") {
  const ParameterSpec parameter = checkpoint_parameters()[2];
  constexpr int kHeader = 1;
  CHECK(reads_for({1, 1}, {whole_box(parameter.shape)}) == kHeader + 1);
  CHECK(reads_for({1, 1}, held_boxes(parameter, {2, 1}, 1)) == kHeader + 1);
  CHECK(reads_for({2, 1}, held_boxes(parameter, {2, 1}, 0)) == kHeader + 3);
  CHECK(reads_for({1, 3}, held_boxes(parameter, {2, 1}, 1)) == 3 * (kHeader + 1));
  CHECK(reads_for({1, 3}, {{{0, 0}, {1, 36}}}) == kHeader + 1);
}

TEST_CASE("a large box becomes several pieces, of which a part of its rows reads few") {
  const auto memory = std::make_shared<MemoryFileSystem>();
  const std::vector<ParameterSpec> parameters{{"large", {7, std::int64_t{1} << 20}, {}, {}}};
  const fs::path folder = save_checkpoint(*memory, kDirectory, 1, {}, parameters);
  CHECK(parse_manifest("m", memory->read(folder / "manifest.json"))
            .tensors[0]
            .at(StateKind::weight)
            .pieces.size() == 4);  // of two rows each, and one
  CHECK(reads_back(*memory, folder, 1, {}, parameters));
  const auto calls = std::make_shared<std::vector<FileCall>>();
  const auto files = recording_file_system(memory, calls);
  const CheckpointReader reader(*files, folder);
  const StatePiece rows{parameters[0], StateKind::weight, {{3, 5}, {5, 1 << 20}}};
  calls->clear();
  const auto elements = static_cast<std::size_t>(elements_of(rows.box.shape()));
  std::vector<float> found(elements);
  reader.read(rows, found);
  CHECK(count_of(*calls, FileCallKind::read) ==
        1 + 2);  // the header, and the pieces of rows 2 .. 5
  std::vector<float> expected(elements);
  StateOfStep(parameters, 1).read(rows, expected);
  CHECK((found == expected));
}

TEST_CASE("a writer refuses pieces that it was not promised, and an end before the last") {
  MemoryFileSystem files;
  const std::vector<ParameterSpec> parameters = checkpoint_parameters();
  const std::vector<StatePiece> pieces = pieces_of(parameters, {}, 0);
  CheckpointWriter writer(files, begin_checkpoint(files, kDirectory, 1), 0, pieces);
  const std::vector<float> values(135);
  CHECK_THROWS_WITH(
      writer.write(pieces[1], std::span(values).first(84)),
      Contains("[/memory/checkpoints/step-1.unfinished/rank-0.safetensors] "
               "table:weight[0:27,0:5] comes next, not rows.weight:weight[0:12,0:7]"));
  CHECK_THROWS_WITH(writer.write(pieces[0], std::span(values).first(134)),
                    Contains("134 elements for table:weight[0:27,0:5], which has 135"));
  writer.write(pieces[0], values);
  CHECK_THROWS_WITH(writer.finish(), Contains("1 of its 18 pieces were written"));
}

TEST_CASE("a large piece is written in several calls, each of them progress") {
  const auto calls = std::make_shared<std::vector<FileCall>>();
  const auto files = recording_file_system(std::make_shared<MemoryFileSystem>(), calls);
  const ParameterSpec parameter{"large", {std::int64_t{3} << 20}, {}, {}};
  const std::vector<StatePiece> pieces{{parameter, StateKind::weight, whole_box(parameter.shape)}};
  const fs::path unfinished = begin_checkpoint(*files, kDirectory, 1);
  int progress = 0;
  CheckpointWriter writer(*files, unfinished, 0, pieces, {.on_progress = [&] { ++progress; }});
  writer.write(pieces[0], std::vector<float>(std::size_t{3} << 20, 1.0F));
  writer.finish();
  const int writes = count_of(*calls, FileCallKind::write);
  CHECK(writes >= 3);
  CHECK(progress == writes + count_of(*calls, FileCallKind::sync));
}

TEST_CASE("a tensor that is missing or of another shape is an error with both shapes") {
  MemoryFileSystem files;
  const CheckpointReader reader(files, save_checkpoint(files, kDirectory, 1, {}));
  std::vector<float> values(4);
  const ParameterSpec missing{"absent", {4}, {}, {}};
  CHECK_THROWS_WITH(reader.read({missing, StateKind::weight, whole_box({4})}, values),
                    Contains("[/memory/checkpoints/step-1] tensor absent [4] is missing"));
  const ParameterSpec other{"norm.weight", {4}, {}, {}};
  CHECK_THROWS_WITH(reader.read({other, StateKind::weight, whole_box({4})}, values),
                    Contains("tensor norm.weight is [5], but the model needs [4]"));
}

TEST_CASE("a checkpoint fits the model that has its tensors and no others") {
  ModelConfig config;
  config.layers = 1;
  config.hidden = 8;
  config.heads = 4;
  config.sequence = 4;
  config.vocab = 27;
  const ModelSpec model = gpt(config, 1);
  CheckpointManifest manifest;
  for (const ParameterSpec& parameter : model.parameters()) {
    manifest.tensors.push_back({parameter.name, parameter.shape, {}});
  }
  CHECK_NOTHROW(check_tensors(manifest, model, "/a/step-1"));
  CheckpointManifest more = manifest;
  more.tensors.push_back({"extra", {2, 3}, {}});
  CHECK_THROWS_WITH(check_tensors(more, model, "/a/step-1"),
                    "[/a/step-1] tensor extra [2, 3] does not belong to the model");
  CheckpointManifest other = manifest;
  other.tensors.front().shape = {27, 9};
  CHECK_THROWS_WITH(check_tensors(other, model, "/a/step-1"),
                    Contains("is [27, 9], but the model needs [27, 8]"));
  manifest.tensors.pop_back();
  CHECK_THROWS_WITH(check_tensors(manifest, model, "/a/step-1"), Contains("is missing"));
}

}  // namespace
}  // namespace stagecraft
