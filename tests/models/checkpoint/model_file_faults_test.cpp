// A model that several actors write: on hosts whose pages are apart, and with any call failing.
#include <algorithm>
#include <catch2/catch.hpp>

#include "kernels/backends/make_stream.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "models/checkpoint/model_file.h"
#include "models/families/gpt.h"
#include "models/families/model_config.h"
#include "models/parameters/drawn_weights.h"
#include "tests/kernels/base/memory_file_system.h"
#include "tests/kernels/base/observed_file_system.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using namespace test;

const fs::path kFolder = MemoryFileSystem::root() / "model";
const fs::path kWeights = kFolder / "model.safetensors";
const fs::path kConfig = kFolder / "config.json";

ModelSpec model_of(int tensor_shards) {
  ModelConfig config;
  config.layers = 1;
  config.hidden = 8;
  config.heads = 4;
  config.sequence = 4;
  config.vocab = 27;
  return gpt(config, tensor_shards);
}

/// The drawn weights, written by actors that have all written before one flushes.
void write_model(FileSystem& files, int ranks) {
  const auto stream = make_stream({}, {});
  const ModelSpec model = model_of(ranks);
  std::vector<ParameterUse> uses;
  for (const ParameterSpec& spec : model.parameters()) {
    uses.push_back({spec, ""});
  }
  const fs::path temporary = begin_model_files(files, model, kFolder);
  std::vector<std::unique_ptr<ModelFileWriter>> writers;
  for (int rank = 0; rank < ranks; ++rank) {
    const ParameterStore store(*stream, {uses}, rank, ranks);
    writers.push_back(std::make_unique<ModelFileWriter>(files, model, temporary));
    for (const Parameter& parameter : store.parameters()) {
      load_state(*stream, parameter, StateKind::weight, DrawnWeights(3, 1));
      if (rank == 0 || !parameter.spec.shard.replicated()) {
        save_state(*stream, parameter, parameter.boxes, StateKind::weight, *writers.back());
      }
    }
  }
  for (const auto& writer : writers) {
    writer->sync();
  }
  finish_model_files(files, temporary);
}

std::string written_by(int ranks, MemoryFileSystem::Flush flush) {
  MemoryFileSystem files(flush);
  write_model(files, ranks);
  return files.read(kWeights);
}

TEST_CASE("actors of hosts that share no page write the bytes of one actor") {
  using Flush = MemoryFileSystem::Flush;
  const std::string alone = written_by(1, Flush::ranges);
  CHECK((written_by(2, Flush::ranges) == alone));
  CHECK((written_by(4, Flush::ranges) == alone));
  CHECK((written_by(2, Flush::pages) != alone));  // what mappings of one file gave
}

TEST_CASE("a large piece is flushed bit by bit, and each write and each flush is progress") {
  const auto calls = std::make_shared<std::vector<FileCall>>();
  const auto files = recording_file_system(std::make_shared<MemoryFileSystem>(), calls);
  const ModelSpec model = model_of(1);
  const fs::path temporary = begin_model_files(*files, model, kFolder);
  calls->clear();
  constexpr std::int64_t kFlushBytes = 100;
  std::int64_t unflushed = 0;
  int flushes = 0;
  int progress = 0;
  ModelFileWriter writer(*files, model, temporary,
                         {.on_progress = [&] { ++progress; }, .flush_bytes = kFlushBytes});
  const ParameterSpec table = model.parameters().front();  // 864 bytes
  const std::vector<float> values(static_cast<std::size_t>(elements_of(table.shape)), 1.0F);
  writer.write({table, StateKind::weight, whole_box(table.shape)}, values);
  writer.sync();
  for (const FileCall& call : *calls) {
    unflushed = call.kind == FileCallKind::sync
                    ? 0
                    : unflushed + static_cast<std::int64_t>(call.bytes.size());
    flushes += call.kind == FileCallKind::sync ? 1 : 0;
    CHECK(unflushed <= kFlushBytes);
  }
  CHECK(unflushed == 0);
  CHECK(flushes == 9);
  CHECK(progress == 9 + 9);
}

TEST_CASE("an actor that owns no piece needs no file") {
  MemoryFileSystem files;
  ModelFileWriter writer(files, model_of(1), kFolder / "not there");
  CHECK_NOTHROW(writer.sync());
}

TEST_CASE("the names are on the disk after the bytes, and the directory last") {
  const auto calls = std::make_shared<std::vector<FileCall>>();
  write_model(*recording_file_system(std::make_shared<MemoryFileSystem>(), calls), 2);
  const auto kind_from_end = [&](std::size_t i) { return calls->at(calls->size() - i).kind; };
  CHECK(kind_from_end(1) == FileCallKind::sync_directory);
  CHECK(kind_from_end(2) == FileCallKind::rename);
  CHECK(kind_from_end(3) == FileCallKind::rename);
  CHECK(kind_from_end(4) == FileCallKind::sync);
  CHECK(kind_from_end(5) == FileCallKind::sync);
  CHECK(count_of(*calls, FileCallKind::sync) == 4);  // both files of the driver, and two actors
  CHECK(calls->back().path == kFolder);
}

/// A folder with an earlier model.
std::shared_ptr<MemoryFileSystem> earlier_model(bool with_config) {
  auto files = std::make_shared<MemoryFileSystem>();
  files->make_directory(kFolder);
  write_file(*files, kWeights, "old weights");
  if (with_config) {
    write_file(*files, kConfig, "old config");
  }
  return files;
}

/// The files of the folder, each with its contents.
std::map<fs::path, std::string> contents_of(MemoryFileSystem& files) {
  std::map<fs::path, std::string> all;
  for (const fs::path& path : files.paths()) {
    all[path] = files.read(path);
  }
  return all;
}

/// Fails one call while a model is written, as the driver does discards it, and returns the folder.
std::map<fs::path, std::string> after_failure(bool with_config, const FileFault& fault) {
  const auto files = earlier_model(with_config);
  const auto failing = failing_file_system(files, fault);
  CHECK_THROWS_WITH(write_model(*failing, 2),
                    Contains("[" + kFolder.string()) && Contains("Input/output error"));
  discard_model_files(*failing, kFolder);
  return contents_of(*files);
}

TEST_CASE("whatever call fails, nothing unfinished is left and the earlier model is intact") {
  const bool with_config = GENERATE(true, false);
  const auto calls = std::make_shared<std::vector<FileCall>>();
  const auto clean = earlier_model(with_config);
  const std::map<fs::path, std::string> before = contents_of(*clean);
  write_model(*recording_file_system(clean, calls), 2);
  const std::map<fs::path, std::string> after = contents_of(*clean);
  REQUIRE(after.size() == 2);
  for (const FileCallKind kind :
       {FileCallKind::create, FileCallKind::open, FileCallKind::write, FileCallKind::sync,
        FileCallKind::rename, FileCallKind::sync_directory}) {
    const int count = count_of(*calls, kind);
    REQUIRE(count > 0);
    for (int call = 1; call <= count; ++call) {
      CAPTURE(with_config, static_cast<int>(kind), call);
      // The directory is flushed when both names are there: the new model is whole.
      const bool renamed = kind == FileCallKind::sync_directory;
      CHECK((after_failure(with_config, {kind, call, EIO}) == (renamed ? after : before)));
    }
  }
}

TEST_CASE("a flush that failed is not repeated, and no other call follows it but removals") {
  const auto clean = std::make_shared<std::vector<FileCall>>();
  write_model(*recording_file_system(std::make_shared<MemoryFileSystem>(), clean), 2);
  for (int call = 1; call <= count_of(*clean, FileCallKind::sync); ++call) {
    CAPTURE(call);
    const auto calls = std::make_shared<std::vector<FileCall>>();
    const auto files = recording_file_system(
        failing_file_system(std::make_shared<MemoryFileSystem>(), {FileCallKind::sync, call, EIO}),
        calls);
    CHECK_THROWS_AS(write_model(*files, 2), Error);
    CHECK(count_of(*calls, FileCallKind::sync) == call);
    CHECK(count_of(*calls, FileCallKind::rename) == 0);
  }
}

}  // namespace
}  // namespace stagecraft
