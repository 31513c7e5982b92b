#include "kernels/base/file_writer.h"

#include <catch2/catch.hpp>

#include "kernels/base/error.h"
#include "tests/kernels/base/memory_file_system.h"
#include "tests/kernels/base/observed_file_system.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;
using namespace test;

const std::filesystem::path kPath = MemoryFileSystem::root() / "file";

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

TEST_CASE("short writes are continued where they ended") {
  const auto calls = std::make_shared<std::vector<FileCall>>();
  const auto files = short_writing_file_system(
      recording_file_system(std::make_shared<MemoryFileSystem>(), calls), 3);
  FileWriter file(kPath, files->create(kPath, 10));
  file.write(2, bytes_of("abcdefgh"));
  file.sync();
  CHECK(count_of(*calls, FileCallKind::write) == 3);
  CHECK(files->read(kPath) == std::string("\0\0abcdefgh", 10));
}

TEST_CASE("after a failure nothing reaches the file, least of all a second flush") {
  const auto kind = GENERATE(FileCallKind::write, FileCallKind::sync);
  const auto calls = std::make_shared<std::vector<FileCall>>();
  const auto files = recording_file_system(
      failing_file_system(std::make_shared<MemoryFileSystem>(), {kind, 1, ENOSPC}), calls);
  FileWriter file(kPath, files->create(kPath, 3));
  const auto fill = [&] {
    file.write(0, bytes_of("abc"));
    file.sync();
  };
  CHECK_THROWS_WITH(fill(), Contains(kPath.string()) && Contains("No space left on device; free"));
  const std::size_t before = calls->size();
  CHECK_THROWS_WITH(file.sync(),
                    Contains(kPath.string()) && Contains("write the whole file again"));
  CHECK_THROWS_AS(file.write(0, bytes_of("abc")), Error);
  CHECK(calls->size() == before);
}

}  // namespace
}  // namespace stagecraft
