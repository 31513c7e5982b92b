// Waiting for a claim of another host, which ends by the file system's clock.
#include "launch/artifacts/claim_wait.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <vector>

#include "tests/temporary_folder.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

/// The claim of another host, last touched so long ago.
void leave_claim(const fs::path& folder, std::chrono::milliseconds age) {
  ClaimRecord record = claim_record("a.toml", ::getpid(), 0);
  record.host = "elsewhere";
  std::ofstream(claim_file(folder)) << to_string(record);
  fs::last_write_time(claim_file(folder), fs::file_time_type::clock::now() - age);
}

/// What is said while it waits.
std::vector<std::string> lines_of_wait(const fs::path& folder, std::chrono::milliseconds patience) {
  std::vector<std::string> lines;
  await_claim(
      folder, [&](const std::string& line) { lines.push_back(line); }, patience);
  return lines;
}

TEST_CASE("a claim of another host is awaited until nobody has touched it for its time") {
  const TemporaryFolder folder;
  leave_claim(folder.path(), kClaimPatience - 1s);
  const std::vector<std::string> lines = lines_of_wait(folder.path(), 60s);
  CHECK(claim_holder(folder.path()).empty());
  REQUIRE(lines.size() == 1);
  CHECK_THAT(lines[0], Catch::Contains("waiting for " + folder.path().string()) &&
                           Catch::Contains("the run a.toml (process") &&
                           Catch::Contains("on elsewhere"));
}

TEST_CASE("a claim of another host that is touched still holds when the patience ends") {
  const TemporaryFolder folder;
  leave_claim(folder.path(), 0s);
  CHECK(lines_of_wait(folder.path(), 300ms).size() == 1);
  CHECK_FALSE(claim_holder(folder.path()).empty());
}

TEST_CASE("a free folder, and one that a process of this host holds, are not awaited") {
  const TemporaryFolder folder;
  CHECK(lines_of_wait(folder.path(), 60s).empty());
  const auto claim = RunClaim::take(folder.path(), claim_record("a.toml", ::getpid(), 0));
  REQUIRE(claim);
  CHECK(lines_of_wait(folder.path(), 60s).empty());
}

}  // namespace
}  // namespace stagecraft
