#include "kernels/base/file.h"

#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>

#include "kernels/base/error.h"
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
  CHECK_THROWS_WITH(MappedFile(pipe, MappedFile::Access::read), Contains("is not a regular file"));
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

TEST_CASE("a created file is zero, keeps what is written through the mapping, and is published") {
  const TemporaryFolder folder;
  const fs::path temporary = folder.path() / "part";
  write_file(temporary, std::string(10000, 'x'));  // create() must not keep this
  {
    MappedFile file = MappedFile::create(temporary, 5000);
    REQUIRE(file.bytes().size() == 5000);
    CHECK(std::all_of(file.bytes().begin(), file.bytes().end(),
                      [](std::byte value) { return value == std::byte{0}; }));
    std::memcpy(file.bytes().data() + 4998, "ab", 2);
  }
  {
    MappedFile again(temporary, MappedFile::Access::write);
    std::memcpy(again.bytes().data(), "cd", 2);
  }
  publish_file(temporary, folder.path() / "whole");
  CHECK(files_in(folder.path()) == 1);
  const std::string contents = read_file(folder.path() / "whole");
  REQUIRE(contents.size() == 5000);
  CHECK(contents.substr(0, 3) == std::string("cd\0", 3));
  CHECK(contents.substr(4998) == "ab");
}

TEST_CASE("a file for which there is no room is an error when it is made, and is not left behind") {
  const TemporaryFolder folder;
  const fs::path huge = folder.path() / "huge";
  CHECK_THROWS_WITH(MappedFile::create(huge, std::int64_t{1} << 60),
                    Contains("cannot reserve 1152921504606846976 bytes"));
  CHECK_FALSE(fs::exists(huge));
}

TEST_CASE("empty files can be mapped") {
  const TemporaryFolder folder;
  const MappedFile made = MappedFile::create(folder.path() / "empty", 0);
  CHECK(made.bytes().empty());
  const MappedFile read(folder.path() / "empty", MappedFile::Access::read);
  CHECK(read.bytes().empty());
}

}  // namespace
}  // namespace stagecraft
