// Processes leave nothing behind.
#include <catch2/catch.hpp>
#include <filesystem>
#include <set>

#include "tests/end_to_end/process.h"
#include "tests/temporary_folder.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.insert(entry.path().filename().string());
  }
  return names;
}

/// The mpirun command line with which ctest starts the program, with Open MPI's files in `folder`.
std::vector<std::string> words(const fs::path& folder, const std::string& tests) {
  std::vector<std::string> all;
  std::string rest = MPI_TEST_WORDS;
  for (std::size_t at = 0; at != std::string::npos;) {
    const std::size_t next = rest.find('|', at);
    all.push_back(rest.substr(at, next == std::string::npos ? next : next - at));
    at = next == std::string::npos ? next : next + 1;
  }
  all.insert(all.begin() + 1, {"--mca", "orte_tmpdir_base", folder.string()});
  all.push_back(tests);
  return all;
}

void expect_nothing_left(const std::string& tests) {
  const TemporaryFolder folder;
  const auto before = names_in("/dev/shm");
  Process process(words(folder.path(), tests), folder.path());
  const Ended ended = process.wait();
  INFO(ended.out << ended.err);
  REQUIRE(ended.status == 0);
  CHECK(names_in(folder.path()).empty());
  for (const std::string& name : names_in("/dev/shm")) {
    CHECK(before.count(name) == 1);
  }
}

}  // namespace

TEST_CASE("processes leave no shared memory and no files behind") {
  expect_nothing_left(
      "every communicator: a group has the members that were asked for, in their order");
}

TEST_CASE("processes leave nothing behind after an abort") {
  expect_nothing_left("every communicator: an abort reaches all groups of the world");
}

}  // namespace stagecraft
