// Which of a run's boards are read, and whose cause counts.
#include "launch/artifacts/run_boards.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "kernels/base/error.h"
#include "tests/temporary_folder.h"

namespace stagecraft {
namespace {

const BoardInfo kInfo{.mesh = {.pipeline = 2}, .stage_of_chunk = {0, 1}};

void make(const std::filesystem::path& path, const std::string& cause) {
  ProgressBoard board = ProgressBoard::create(kInfo, path);
  if (!cause.empty()) {
    board.name_cause(1, cause);
  }
}

std::string cause_of(const std::filesystem::path& run) {
  const auto cause = first_cause(run_boards(run));
  return cause ? cause->text : "";
}

}  // namespace

TEST_CASE("the cause of rank 0's host counts, else the earliest of the others") {
  const TemporaryFolder run;
  CHECK(run_boards(run.path()).empty());
  CHECK(run_boards(run.path() / "missing").empty());
  make(run.path() / "progress.7", "of rank 7's host");
  CHECK(cause_of(run.path()) == "of rank 7's host");
  make(run.path() / "progress.2", "of rank 2's host, later");
  make(run.path() / "progress", "");
  CHECK(run_boards(run.path()).size() == 3);
  CHECK(cause_of(run.path()) == "of rank 7's host");
  make(run.path() / "progress", "of the run");
  CHECK(cause_of(run.path()) == "of the run");
}

TEST_CASE("a copy that is no board is skipped, and so is any other file; the board itself is not") {
  const TemporaryFolder run;
  make(run.path() / "progress", "");
  for (const char* name : {"progress.3", "progress.tmp", "progress.4.tmp", "other.5"}) {
    std::ofstream(run.path() / name) << "no board";
  }
  CHECK(run_boards(run.path()).size() == 1);
  std::ofstream(run.path() / "progress") << "no board";
  CHECK_THROWS_AS(run_boards(run.path()), Error);
}

}  // namespace stagecraft
