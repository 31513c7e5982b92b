#include "launch/artifacts/rank_log.h"

#include <fmt/chrono.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <ctime>

#include "kernels/base/file.h"
#include "tests/temporary_folder.h"

namespace stagecraft {
namespace {

TEST_CASE("a log's times are UTC, whatever the host's zone is, and say so") {
  const TemporaryFolder folder;
  ::setenv("TZ", "FAR+11", 1);
  ::tzset();
  const std::time_t before = std::time(nullptr);
  RankLog(folder.path(), 2, 1).info("hello");
  const std::time_t after = std::time(nullptr);
  ::unsetenv("TZ");
  ::tzset();
  const std::string line = read_file(folder.path() / "rank-2.log");
  CHECK(line.substr(23) == " UTC info rank 2 stage 1 hello\n");
  const std::string time = line.substr(0, 19);
  CHECK(time >= fmt::format("{:%F %T}", fmt::gmtime(before)));
  CHECK(time <= fmt::format("{:%F %T}", fmt::gmtime(after)));
}

}  // namespace
}  // namespace stagecraft
