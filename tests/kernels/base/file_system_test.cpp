// The contract of FileSystem, over the host's file system and over those of tests.
#include "kernels/base/file_system.h"

#include <catch2/catch.hpp>
#include <thread>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/base/file_reader.h"
#include "kernels/base/file_writer.h"
#include "kernels/base/posix_file_system.h"
#include "tests/kernels/base/memory_file_system.h"
#include "tests/kernels/base/observed_file_system.h"
#include "tests/temporary_folder.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using namespace test;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

/// A file system, and an empty directory in it.
struct Place {
  std::string name;
  std::shared_ptr<FileSystem> files;
  fs::path root;
  std::shared_ptr<TemporaryFolder> folder = {};  // null: the root is in memory
};

std::vector<Place> places() {
  const auto posix = std::make_shared<PosixFileSystem>();
  const auto on_disk = [](const char* name, std::shared_ptr<FileSystem> files) {
    const auto folder = std::make_shared<TemporaryFolder>();
    return Place{name, std::move(files), folder->path(), folder};
  };
  return {
      on_disk("posix", posix),
      on_disk("recording", recording_file_system(posix, std::make_shared<std::vector<FileCall>>())),
      on_disk("failing at a call that never comes",
              failing_file_system(posix, {FileCallKind::write, 1 << 30})),
      on_disk("short writing", short_writing_file_system(posix, 3)),
      {"memory", std::make_shared<MemoryFileSystem>(), MemoryFileSystem::root()}};
}

TEST_CASE("a created file has its size, zeros, and what was written and flushed") {
  for (const Place& place : places()) {
    CAPTURE(place.name);
    const fs::path path = place.root / "file";
    FileWriter(path, place.files->create(path, 3)).write(0, bytes_of("abc"));
    FileWriter file(path, place.files->create(path, 9000));  // not the earlier one's bytes
    file.write(8996, bytes_of("tail"));
    file.write(1, bytes_of("head"));
    file.write(5, {});
    file.sync();
    std::string expected(9000, '\0');
    expected.replace(1, 4, "head").replace(8996, 4, "tail");
    CHECK((place.files->read(path) == expected));
    CHECK(place.files->size(path) == 9000);
    FileWriter empty(place.root / "empty", place.files->create(place.root / "empty", 0));
    empty.sync();
    CHECK(place.files->read(place.root / "empty").empty());
  }
}

TEST_CASE("writers of one file change no byte but their own, whoever is flushed last") {
  for (const Place& place : places()) {
    CAPTURE(place.name);
    const fs::path path = place.root / "file";
    constexpr int kWriters = 3;
    constexpr std::int64_t kBytes = 30000;
    place.files->create(path, kBytes);
    std::vector<FileWriter> writers;
    for (int writer = 0; writer < kWriters; ++writer) {
      writers.emplace_back(path, place.files->open(path));
    }
    std::vector<std::thread> threads;
    for (int writer = 0; writer < kWriters; ++writer) {
      threads.emplace_back([&file = writers[static_cast<std::size_t>(writer)], writer] {
        const std::string text(10, static_cast<char>('a' + writer));
        for (std::int64_t at = 10 * writer; at < kBytes; at += std::int64_t{10} * kWriters) {
          file.write(at, bytes_of(text));
        }
        file.sync();
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    const std::string contents = place.files->read(path);
    REQUIRE(contents.size() == kBytes);
    bool whole = true;
    for (std::size_t i = 0; i < contents.size(); ++i) {
      whole = whole && contents[i] == static_cast<char>('a' + i / 10 % kWriters);
    }
    CHECK(whole);
  }
}

TEST_CASE("names: a file is renamed over another, removed, and stands in a directory") {
  for (const Place& place : places()) {
    CAPTURE(place.name);
    FileSystem& files = *place.files;
    const fs::path a = place.root / "a";
    const fs::path b = place.root / "folder" / "b";
    files.create(a, 1);
    CHECK_FALSE(files.exists(place.root / "folder"));
    files.make_directory(place.root / "folder");
    files.make_directory(place.root / "folder");
    CHECK(files.exists(place.root / "folder"));
    files.create(b, 2);
    files.rename(a, b);
    files.sync_directory(place.root / "folder");
    CHECK_FALSE(files.exists(a));
    CHECK(files.size(b) == 1);
    files.remove(b);
    files.remove(b);
    CHECK_FALSE(files.exists(b));
  }
}

TEST_CASE("two directories, and two files, exchange their names") {
  for (const Place& place : places()) {
    CAPTURE(place.name);
    FileSystem& files = *place.files;
    const fs::path a = place.root / "a";
    const fs::path b = place.root / "b";
    for (const fs::path& folder : {a, b}) {
      files.make_directory(folder);
      fill_file(files, folder / "name", folder.filename().string());
    }
    fill_file(files, b / "more", "more");
    REQUIRE(files.exchange(a, b));
    CHECK(files.read(a / "name") == "b");
    CHECK(files.read(b / "name") == "a");
    CHECK(files.list(a) == std::vector<std::string>{"more", "name"});
    REQUIRE(files.exchange(a / "name", a / "more"));
    CHECK(files.read(a / "name") == "more");
    CHECK(files.read(a / "more") == "b");
    CHECK_THROWS_WITH(
        files.exchange(a, place.root / "none"),
        Contains("[" + (place.root / "none").string() + "]") && Contains("No such file"));
  }
}

TEST_CASE("any part of a file is read, and a read at its end gives nothing") {
  for (const Place& place : places()) {
    CAPTURE(place.name);
    const fs::path path = place.root / "file";
    fill_file(*place.files, path, "0123456789");
    const FileReader file(path, place.files->open_for_reading(path));
    CHECK(file.size() == 10);
    std::string part(4, ' ');
    file.read(3, std::as_writable_bytes(std::span(part)));
    CHECK(part == "3456");
    file.read(6, std::as_writable_bytes(std::span(part)));
    CHECK(part == "6789");
    file.read(10, {});
    CHECK(place.files->open_for_reading(path)->read_some(
              10, std::as_writable_bytes(std::span(part))) == 0);
    CHECK_THROWS_WITH(file.read(7, std::as_writable_bytes(std::span(part))),
                      Contains("[" + path.string() + "] ends at byte 10, before byte 11"));
  }
}

TEST_CASE("directories: listed, moved with what is in them, and removed when they are empty") {
  for (const Place& place : places()) {
    CAPTURE(place.name);
    FileSystem& files = *place.files;
    const fs::path a = place.root / "a";
    const fs::path b = place.root / "b";
    files.make_directory(a);
    CHECK(files.list(a).empty());
    fill_file(files, a / "2", "two");
    fill_file(files, a / "1", "one");
    files.make_directory(a / "inner");
    fill_file(files, a / "inner" / "3", "three");
    CHECK(files.list(a) == std::vector<std::string>{"1", "2", "inner"});
    files.make_directory(b);
    files.rename(a, b);  // in place of an empty one
    CHECK(files.list(place.root) == std::vector<std::string>{"b"});
    CHECK(files.list(b) == std::vector<std::string>{"1", "2", "inner"});
    CHECK(files.read(b / "inner" / "3") == "three");
    for (const char* name : {"1", "2", "inner/3"}) {
      files.remove(b / name);
    }
    files.remove_directory(b / "inner");
    files.remove_directory(b);
    files.remove_directory(b);
    CHECK(files.list(place.root).empty());
  }
}

TEST_CASE("a call that fails names the path") {
  for (const Place& place : places()) {
    CAPTURE(place.name);
    FileSystem& files = *place.files;
    const auto fails = [](const fs::path& path, const auto& call, const char* reason) {
      CHECK_THROWS_WITH(call(), Contains("[" + path.string() + "]") && Contains(reason));
    };
    const fs::path none = place.root / "none";
    const fs::path inside = none / "inside";
    const fs::path file = place.root / "file";
    files.create(file, 1);
    fails(
        none, [&] { files.open(none); }, "No such file");
    fails(
        none, [&] { files.read(none); }, "No such file");
    fails(
        none, [&] { files.size(none); }, "No such file");
    fails(
        inside, [&] { files.create(inside, 1); }, "No such file");
    fails(
        inside, [&] { files.make_directory(inside); }, "No such file");
    fails(
        inside, [&] { files.rename(file, inside); }, "No such file");
    fails(
        file, [&] { files.rename(none, file); }, "No such file");
    fails(
        none, [&] { files.sync_directory(none); }, "No such file");
    fails(
        none, [&] { files.open_for_reading(none); }, "No such file");
    fails(
        none, [&] { files.list(none); }, "No such file");
    fails(
        file, [&] { files.list(file); }, "Not a directory");
    fails(
        file, [&] { files.remove_directory(file); }, "Not a directory");
    const fs::path full = place.root / "full";
    files.make_directory(full);
    files.create(full / "inside", 1);
    files.make_directory(place.root / "other");
    fails(
        full, [&] { files.remove(full); }, "Is a directory");
    fails(
        full, [&] { files.remove_directory(full); }, "Directory not empty");
    fails(
        full, [&] { files.rename(place.root / "other", full); }, "Directory not empty");
    fails(
        file, [&] { files.rename(full, file); }, "Not a directory");
    fails(
        place.root, [&] { files.read(place.root); }, "is a directory");
    fails(
        place.root, [&] { files.create(place.root, 1); }, "");
    fails(
        file, [&] { files.make_directory(file); }, "File exists");
    fails(
        file / "x", [&] { files.make_directory(file / "x"); }, "Not a directory");
    CHECK(files.size(file) == 1);
  }
}

TEST_CASE("a file for which the disk has no room is an error when it is made, and is not left") {
  const TemporaryFolder folder;
  const fs::path huge = folder.path() / "huge";
  CHECK_THROWS_WITH(PosixFileSystem().create(huge, std::int64_t{1} << 60),
                    Contains("cannot reserve 1152921504606846976 bytes"));
  CHECK_FALSE(fs::exists(huge));
}

TEST_CASE("an error of the disk says what to do") {
  const auto text = [](int code) {
    try {
      throw_file_error("/a/b", "cannot write", code);
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  CHECK(text(ENOSPC) ==
        "[/a/b] cannot write: No space left on device; free space there, or write to another disk");
  CHECK_THAT(text(EIO), Contains("Input/output error; the system's log"));
  CHECK(text(ENOENT) == "[/a/b] cannot write: No such file or directory");
}

TEST_CASE("the list of calls has their order, paths, offsets and bytes") {
  const auto calls = std::make_shared<std::vector<FileCall>>();
  const auto files = recording_file_system(std::make_shared<MemoryFileSystem>(), calls);
  const fs::path path = MemoryFileSystem::root() / "file";
  FileWriter file(path, files->create(path, 8));
  file.write(2, bytes_of("xy"));
  file.sync();
  files->rename(path, path.string() + "2");
  REQUIRE(calls->size() == 4);
  CHECK((calls->at(0).kind == FileCallKind::create && calls->at(0).offset == 8));
  CHECK((calls->at(1).kind == FileCallKind::write && calls->at(1).offset == 2));
  CHECK(calls->at(1).bytes == "xy");
  CHECK((calls->at(2).kind == FileCallKind::sync && calls->at(2).path == path));
  CHECK((calls->at(3).path == path && calls->at(3).to == path.string() + "2"));
}

TEST_CASE("pages that are flushed whole lose what others wrote to them") {
  // Shows that the suite above would find it.
  MemoryFileSystem files(MemoryFileSystem::Flush::pages);
  const fs::path path = MemoryFileSystem::root() / "file";
  files.create(path, 8);
  const auto a = files.open(path);
  const auto b = files.open(path);
  a->write_some(0, bytes_of("aaaa"));
  b->write_some(4, bytes_of("bbbb"));
  a->sync();
  b->sync();
  CHECK(files.read(path) == std::string("\0\0\0\0bbbb", 8));
}

}  // namespace
}  // namespace stagecraft
