#include "launch/run/run_files.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <vector>

#include "kernels/base/posix_file_system.h"
#include "launch/artifacts/metrics_file.h"
#include "tests/kernels/base/observed_file_system.h"
#include "tests/temporary_folder.h"

namespace stagecraft {
namespace {

StepReport at(std::int64_t step) {
  StepReport report;
  report.step = step;
  report.seconds = 1;
  return report;
}

std::vector<std::string> lines_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    lines.push_back(line);
  }
  return lines;
}

struct Ran {
  explicit Ran(std::shared_ptr<FileSystem> files = std::make_shared<PosixFileSystem>())
      : rows(directory, {std::move(files), {"wte.weight", "ln.bias"}, [this](const std::string& t) {
                           const std::lock_guard lock(mutex);
                           said.push_back(t);
                         }}) {}

  TemporaryFolder folder;
  RunDirectory directory{folder.path() / "run"};
  std::mutex mutex;
  std::vector<std::string> said;
  RunFiles rows;
};

TEST_CASE("a run that started keeps its directory, and the metrics file has every step") {
  const TemporaryFolder folder;
  {
    RunDirectory directory(folder.path() / "run");
    RunFiles files(directory, {std::make_shared<PosixFileSystem>(), {}, {}});
    files.on_start();
    for (int step = 1; step <= 100; ++step) {
      files.on_step(at(step));
    }
    files.on_evaluation_end({100, 4, 2, {}});  // no row
  }
  const std::vector<std::string> lines = lines_of(folder.path() / "run/metrics.jsonl");
  REQUIRE(lines.size() == 100);
  for (int step = 1; step <= 100; ++step) {
    CHECK(lines[static_cast<std::size_t>(step - 1)] == metrics_line(at(step)));
  }
  CHECK_FALSE(std::filesystem::exists(folder.path() / "run/state_hashes.jsonl"));
}

TEST_CASE("the hash of a step is a row of both files, by tensor in one and as a sum in the other") {
  Ran ran;
  ran.rows.on_step(at(3));
  StateHashReport hashed{.step = 3, .tensors = {}, .sum = 21};
  for (int i = 0; i < 6; ++i) {
    hashed.tensors.push_back({i / 3, static_cast<StateKind>(i % 3), std::uint64_t{1} << i});
  }
  ran.rows.on_state_hash(hashed);
  ran.rows.sync();
  const auto metrics = lines_of(ran.directory.metrics());
  REQUIRE(metrics.size() == 2);
  CHECK(metrics[1] == R"({"step": 3, "state_hash": "0000000000000015"})");
  const auto hashes = lines_of(ran.directory.path() / "state_hashes.jsonl");
  REQUIRE(hashes.size() == 1);
  CHECK(nlohmann::json::parse(hashes[0]) == nlohmann::json::parse(R"({"step": 3, "tensors": {
          "wte.weight": ["0000000000000001", "0000000000000002", "0000000000000004"],
          "ln.bias": ["0000000000000008", "0000000000000010", "0000000000000020"]}})"));
}

TEST_CASE("a full disk ends the rows, says so once and fails no call") {
  Ran ran(test::failing_file_system(std::make_shared<PosixFileSystem>(),
                                    {test::FileCallKind::write, 2, ENOSPC}));
  for (int step = 1; step <= 4; ++step) {
    ran.rows.on_step(at(step));
  }
  ran.rows.sync();
  CHECK(lines_of(ran.directory.metrics()).size() == 1);
  CHECK(ran.said.size() == 1);
}

}  // namespace
}  // namespace stagecraft
