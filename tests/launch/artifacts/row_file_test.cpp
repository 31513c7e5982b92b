#include "launch/artifacts/row_file.h"

#include <catch2/catch.hpp>
#include <vector>

#include "kernels/base/file.h"
#include "kernels/base/posix_file_system.h"
#include "tests/kernels/base/observed_file_system.h"
#include "tests/temporary_folder.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;
using test::FileCall;
using test::FileCallKind;

/// A file of rows on a file system that a test chooses.
struct Written {
  explicit Written(std::shared_ptr<FileSystem> under) : files(std::move(under)) {}

  TemporaryFolder folder;
  std::filesystem::path path = folder.path() / "rows.jsonl";
  std::shared_ptr<FileSystem> files;
  std::vector<std::string> said;
  RowFile rows{*files, path, [this](const std::string& text) { said.push_back(text); }};
};

std::shared_ptr<FileSystem> failing(const test::FileFault& fault) {
  return test::failing_file_system(std::make_shared<PosixFileSystem>(), fault);
}

TEST_CASE("a row is in the file when add() returns, behind those of an earlier start") {
  Written written(std::make_shared<PosixFileSystem>());
  CHECK_FALSE(std::filesystem::exists(written.path));
  written.rows.open();
  CHECK(read_file(written.path).empty());
  written.rows.add("one");
  CHECK(read_file(written.path) == "one\n");
  RowFile later(*written.files, written.path, [](const std::string&) {});
  later.add("two");
  CHECK(read_file(written.path) == "one\ntwo\n");
}

TEST_CASE("behind a row that could not be written there is none, and it is said once") {
  Written written(failing({FileCallKind::write, 2, ENOSPC}));
  for (const char* row : {"one", "two", "three"}) {
    written.rows.add(row);
  }
  written.rows.sync();
  CHECK(read_file(written.path) == "one\n");
  REQUIRE(written.said.size() == 1);
  CHECK_THAT(written.said[0], Contains("rows.jsonl has no more rows from here on, and the run goes "
                                       "on") &&
                                  Contains(written.path.string()) && Contains("No space left"));
}

TEST_CASE("sync() puts the rows and the file's name on the disk") {
  const auto calls = std::make_shared<std::vector<FileCall>>();
  Written written(test::recording_file_system(std::make_shared<PosixFileSystem>(), calls));
  written.rows.sync();  // there is nothing yet
  CHECK(calls->empty());
  written.rows.add("one");
  written.rows.sync();
  REQUIRE(calls->size() == 4);
  CHECK(calls->at(2).kind == FileCallKind::sync);
  CHECK(calls->at(3).kind == FileCallKind::sync_directory);
  CHECK(calls->at(3).path == written.folder.path());
  written.rows.add("two");
  written.rows.sync();
  CHECK(test::count_of(*calls, FileCallKind::sync) == 2);
  CHECK(test::count_of(*calls, FileCallKind::sync_directory) == 1);
}

TEST_CASE("a file that could not be flushed is flushed no second time, and gets no row") {
  const auto calls = std::make_shared<std::vector<FileCall>>();
  Written written(test::recording_file_system(failing({FileCallKind::sync, 1, EIO}), calls));
  written.rows.add("one");
  written.rows.sync();
  written.rows.add("two");
  written.rows.sync();
  CHECK(written.said.size() == 1);
  CHECK(test::count_of(*calls, FileCallKind::sync) == 1);
  CHECK(read_file(written.path) == "one\n");
}

}  // namespace
}  // namespace stagecraft
