#include "launch/artifacts/output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "tests/child_process.h"
#include "tests/temporary_folder.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;

std::size_t files_in(const fs::path& folder) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST_CASE("a regular file is replaced in one step and keeps its permissions") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "file";
  write_output(path, "first");
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  const int earlier = ::open(path.c_str(), O_RDONLY);
  write_output(path, "second");
  std::array<char, 8> text{};
  CHECK(::read(earlier, text.data(), text.size()) == 5);  // who had it open has all of the first
  ::close(earlier);
  CHECK(read_file(path) == "second");
  CHECK(fs::status(path).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("symbolic links stay, and the file at their end is made or replaced") {
  const TemporaryFolder folder;
  fs::create_directory(folder.path() / "below");
  fs::create_symlink("below/second", folder.path() / "first");
  fs::create_symlink("file", folder.path() / "below" / "second");
  for (const char* text : {"made", "replaced"}) {
    write_output(folder.path() / "first", text);
    CHECK(fs::is_symlink(folder.path() / "first"));
    CHECK(fs::is_symlink(folder.path() / "below" / "second"));
    CHECK(read_file(folder.path() / "below" / "file") == text);
  }
  fs::create_symlink("loop", folder.path() / "loop");
  CHECK_THROWS_WITH(write_output(folder.path() / "loop", ""), Contains("symbolic links"));
  CHECK(fs::is_symlink(folder.path() / "loop"));
}

TEST_CASE("a pipe is written in place, also through a link") {
  const TemporaryFolder folder;
  const fs::path pipe = folder.path() / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  fs::create_symlink(pipe, folder.path() / "link");
  const std::string text(200'000, 'x');  // more than a pipe holds
  for (const char* name : {"pipe", "link"}) {
    test::Child writer([&] { write_output(folder.path() / name, text); });
    std::string received;
    const int end = ::open(pipe.c_str(), O_RDONLY);
    std::array<char, 4096> piece{};
    for (ssize_t count = 0; (count = ::read(end, piece.data(), piece.size())) > 0;) {
      received.append(piece.data(), static_cast<std::size_t>(count));
    }
    ::close(end);
    CHECK(writer.wait() == 0);
    CHECK((received == text));
    CHECK(fs::is_fifo(pipe));
  }
}

TEST_CASE("an open file without a name is written in place") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "file";
  write_output(path, "earlier, and longer");
  const int file = ::open(path.c_str(), O_RDWR);
  fs::remove(path);
  write_output("/proc/self/fd/" + std::to_string(file), "new");
  std::array<char, 32> text{};
  CHECK(::pread(file, text.data(), text.size(), 0) == 3);
  ::close(file);
  CHECK(files_in(folder.path()) == 0);
}

TEST_CASE("what cannot be written is known before, where it can be") {
  const TemporaryFolder folder;
  CHECK(output_fault(folder.path() / "new").empty());
  CHECK(output_fault("-").empty());
  CHECK(output_fault("/dev/full").empty());
  CHECK(output_fault(folder.path()) == "it is a folder");
  CHECK(output_fault(folder.path() / "none" / "new") == "its folder does not exist");
  CHECK_THROWS_WITH(write_output(folder.path() / "none" / "new", "x"), Contains("No such file"));
}

}  // namespace
}  // namespace stagecraft
