#include "kernels/base/appended_file.h"

#include <catch2/catch.hpp>

#include "kernels/base/file.h"
#include "kernels/base/posix_file_system.h"
#include "tests/kernels/base/observed_file_system.h"
#include "tests/temporary_folder.h"

namespace stagecraft {

TEST_CASE("an appended file takes the place of an earlier one, and is read while it grows") {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "lines";
  const auto posix = std::make_shared<PosixFileSystem>();
  for (const std::shared_ptr<FileSystem>& files :
       {std::shared_ptr<FileSystem>(posix), test::short_writing_file_system(posix, 2)}) {
    write_file(path, "an earlier and longer one");
    AppendedFile file(*files, path);
    CHECK(read_file(path).empty());
    file.append("one\n");
    CHECK(read_file(path) == "one\n");
    file.append("");
    file.append("two\n");
    CHECK(read_file(path) == "one\ntwo\n");
    CHECK(file.bytes() == 8);
  }
}

TEST_CASE("a file is continued behind its contents, or made") {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "lines";
  PosixFileSystem files;
  AppendedFile::continued(files, path).append("one\n");
  AppendedFile file = AppendedFile::continued(files, path);
  CHECK(file.bytes() == 4);
  file.append("two\n");
  CHECK(read_file(path) == "one\ntwo\n");
}

TEST_CASE("after a failure nothing is appended any more") {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "lines";
  const auto files = test::failing_file_system(std::make_shared<PosixFileSystem>(),
                                               {test::FileCallKind::write, 2, ENOSPC});
  AppendedFile file(*files, path);
  file.append("one\n");
  CHECK_THROWS_WITH(file.append("two\n"), Catch::Contains("No space left on device"));
  CHECK_THROWS_WITH(file.append("three\n"), Catch::Contains("writing it failed before"));
  CHECK(read_file(path) == "one\n");
}

}  // namespace stagecraft
