#include "kernels/base/file.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "kernels/base/error.h"
#include "kernels/base/posix_file_system.h"
#include "tests/kernels/base/observed_file_system.h"
#include "tests/temporary_folder.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;

std::size_t files_in(const fs::path& folder) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST_CASE("what is written is read back, bytes of every value included") {
  const TemporaryFolder folder;
  std::string contents(1000, 'x');
  for (std::size_t i = 0; i < contents.size(); ++i) {
    contents[i] = static_cast<char>(i);
  }
  for (const std::string& text : {contents, std::string()}) {
    write_file(folder.path() / "file", text);
    CHECK(read_file(folder.path() / "file") == text);
    CHECK(files_in(folder.path()) == 1);
  }
}

TEST_CASE("reading names the file and says why not") {
  const TemporaryFolder folder;
  const fs::path missing = folder.path() / "missing";
  CHECK_THROWS_WITH(read_file(missing),
                    "[" + missing.string() + "] cannot open: No such file or directory");
  CHECK_THROWS_WITH(read_file(folder.path()), Contains("is a directory, not a file"));
  fs::create_symlink("nowhere", folder.path() / "broken");
  CHECK_THROWS_WITH(read_file(folder.path() / "broken"), Contains("No such file"));
  const fs::path pipe = folder.path() / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_THROWS_WITH(read_file(pipe), Contains("is not a regular file"));
}

TEST_CASE("a write that fails leaves the target alone and nothing beside it") {
  const TemporaryFolder folder;
  const fs::path target = folder.path() / "target";
  SECTION("a directory stands in the target's place") {
    fs::create_directory(target);
    write_file(target / "inside", "old");
    CHECK_THROWS_WITH(write_file(target, "new"), Contains(target.string()));
    CHECK(read_file(target / "inside") == "old");
    CHECK(files_in(folder.path()) == 1);
  }
  SECTION("the temporary file cannot be made") {
    write_file(target, "old");
    fs::create_directory(folder.path() / "target.tmp");
    CHECK_THROWS_WITH(write_file(target, "new"), Contains("target.tmp"));
    CHECK(read_file(target) == "old");
  }
  SECTION("the folder does not exist") {
    CHECK_THROWS_WITH(write_file(folder.path() / "no" / "file", "new"), Contains("No such file"));
    CHECK(files_in(folder.path()) == 0);
  }
}

TEST_CASE("whatever call fails, the target stays as it was or is new, and nothing is beside it") {
  using namespace test;
  const auto posix = std::make_shared<PosixFileSystem>();
  const TemporaryFolder folder;
  const fs::path target = folder.path() / "target";
  const auto calls = std::make_shared<std::vector<FileCall>>();
  write_file(*recording_file_system(posix, calls), target, "old");
  REQUIRE(calls->back().kind == FileCallKind::sync_directory);
  for (const FileCall& call : *calls) {
    CAPTURE(static_cast<int>(call.kind));
    const auto failing = failing_file_system(posix, {call.kind, 1, EIO});
    CHECK_THROWS_WITH(write_file(*failing, target, "new"),
                      Contains(folder.path().string()) && Contains("Input/output error"));
    const bool renamed = call.kind == FileCallKind::sync_directory;
    CHECK(read_file(target) == (renamed ? "new" : "old"));
    CHECK(files_in(folder.path()) == 1);
  }
}

TEST_CASE("missing directories are made, each on the disk before the next") {
  using namespace test;
  const TemporaryFolder folder;
  const auto calls = std::make_shared<std::vector<FileCall>>();
  const auto files = recording_file_system(std::make_shared<PosixFileSystem>(), calls);
  make_directories(*files, folder.path() / "a" / "b");
  CHECK(fs::is_directory(folder.path() / "a" / "b"));
  REQUIRE(calls->size() == 4);
  CHECK(calls->at(0).path == folder.path() / "a");
  CHECK(calls->at(1).kind == FileCallKind::sync_directory);
  CHECK(calls->at(1).path == folder.path());
  CHECK(calls->at(3).path == folder.path() / "a");
  make_directories(*files, folder.path() / "a" / "b");
  CHECK(calls->size() == 4);
}

}  // namespace
}  // namespace stagecraft
