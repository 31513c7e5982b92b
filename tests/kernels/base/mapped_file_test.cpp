#include "kernels/base/mapped_file.h"

#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "tests/temporary_folder.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;

TEST_CASE("what is not a regular file is not mapped") {
  const TemporaryFolder folder;
  const fs::path pipe = folder.path() / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_THROWS_WITH(MappedFile(pipe, MappedFile::Access::read), Contains("is not a regular file"));
}

TEST_CASE("a created file is zero and keeps what is written through the mapping") {
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
  const std::string contents = read_file(temporary);
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
