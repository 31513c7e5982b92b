#include "stages/board/progress_board.h"

#include <catch2/catch.hpp>
#include <cstring>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/base/span.h"
#include "tests/child_process.h"
#include "tests/temporary_folder.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using test::Child;
using test::Pipe;
using Access = MappedFile::Access;

const BoardInfo kInfo{.mesh = {.pipeline = 2, .tensor = 1, .data = 2},
                      .stage_of_chunk = {0, 1, 1, 0},
                      .watchdog_seconds = 2.5,
                      .launcher_process = 77};

template <typename T>
T number_at(const std::string& file, std::size_t offset) {
  T value;
  std::memcpy(&value, file.data() + offset, sizeof(T));
  return value;
}

TEST_CASE("a stop that one process was asked for is read by all") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "progress";
  ProgressBoard made = ProgressBoard::create(kInfo, path);
  const ProgressBoard opened = ProgressBoard::open(path, Access::read);
  CHECK_FALSE(opened.stop_requested());
  made.request_stop();
  CHECK(opened.stop_requested());
  CHECK(number_at<std::uint32_t>(read_file(path), 60) == 1);
}

TEST_CASE("a checkpoint that one process was asked for is taken once by another") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "progress";
  ProgressBoard made = ProgressBoard::create(kInfo, path);
  ProgressBoard opened = ProgressBoard::open(path, Access::write);
  CHECK_FALSE(made.take_save_request());
  opened.request_save();
  CHECK(number_at<std::uint32_t>(read_file(path), 76) == 1);
  CHECK(made.take_save_request());
  CHECK_FALSE(made.take_save_request());
  CHECK_FALSE(opened.take_save_request());
}

TEST_CASE("every process that opens a board reads the same") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "progress";
  const ProgressBoard made = ProgressBoard::create(kInfo, path);
  CHECK_FALSE(std::filesystem::exists(path.string() + ".tmp"));
  for (const Access access : {Access::read, Access::write}) {
    const ProgressBoard board = ProgressBoard::open(path, access);
    CHECK(board.ranks() == 4);
    CHECK(board.info().mesh == kInfo.mesh);
    CHECK(board.info().stage_of_chunk == kInfo.stage_of_chunk);
    CHECK(board.info().watchdog_seconds == 2.5);
    CHECK(board.info().launcher_process == 77);
    CHECK(board.created_wall_ns() == made.created_wall_ns());
    CHECK_FALSE(board.failed());
    CHECK(board.slot(3).view().process == 0);
  }
}

TEST_CASE("the file has the layout of docs/file_formats/progress_board.md") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "progress";
  ProgressBoard board = ProgressBoard::create(kInfo, path);
  board.slot(1).enter(4321, "far-away");
  board.slot(1).set(Activity::waiting, 7, {Op::receive_activation, 1, 3});
  board.driver().set(Activity::observing, 8, {});
  REQUIRE(board.name_cause(1, "it broke"));
  const std::string file = read_file(path);
  REQUIRE(file.size() == 1152 + 5 * 128 + 4 * 4);
  CHECK(file.substr(0, 8) == "STGBOARD");
  CHECK(number_at<std::uint32_t>(file, 8) == 2);
  CHECK(number_at<std::int32_t>(file, 12) == 4);
  CHECK(number_at<std::int32_t>(file, 24) == 2);
  CHECK(number_at<double>(file, 48) == 2.5);
  CHECK(number_at<std::int32_t>(file, 56) == 77);
  CHECK(number_at<std::uint32_t>(file, 64) == 2);
  CHECK(number_at<std::int32_t>(file, 68) == 1);
  CHECK(number_at<std::uint32_t>(file, 72) == 8);
  CHECK(file.substr(128, 9) == std::string("it broke\0", 9));
  const std::size_t row = 1152 + 128;
  CHECK(number_at<std::int64_t>(file, row + 8) == 7);
  CHECK(number_at<std::uint64_t>(file, row + 16) == ((5ULL << 56) | (1ULL << 32) | 3));
  CHECK(number_at<std::int64_t>(file, row + 32) == -1);
  CHECK(number_at<std::int32_t>(file, row + 56) == 4321);
  CHECK(number_at<std::uint8_t>(file, row + 60) == 4);
  CHECK(file.substr(row + 64, 9) == std::string("far-away\0", 9));
  CHECK(number_at<std::int64_t>(file, 1152 + 4 * 128 + 8) == 8);
  CHECK(number_at<std::uint8_t>(file, 1152 + 4 * 128 + 60) == 13);
  CHECK(number_at<std::int32_t>(file, 1152 + 5 * 128 + 8) == 1);
}

TEST_CASE("a file that is not a board is refused, with its name") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "progress";
  CHECK_THROWS_WITH(ProgressBoard::open(path, Access::read), Contains(path.string()));
  { const ProgressBoard board = ProgressBoard::create(kInfo, path); }
  std::string file = read_file(path);
  std::string text;
  SECTION("empty") {
    file.clear();
    text = "it has 0 bytes, and the header alone has 1152";
  }
  SECTION("something else") {
    file[0] = 'X';
    text = "does not begin with STGBOARD";
  }
  SECTION("of another version") {
    file[8] = 1;
    text = "is a progress board of version 1, but this program reads version 2";
  }
  SECTION("truncated") {
    file.resize(file.size() - 1);
    text = "but 4 ranks and 4 chunks need 1808";
  }
  SECTION("a mesh of another size") {
    file[12] = 5;
    text = "holds 5 ranks for a mesh of 2 x 1 x 2";
  }
  SECTION("a mesh that is too large") {
    std::memset(&file[12], 0x7f, 20);
    text = "holds a mesh size of 2139062143";
  }
  SECTION("a chunk on a stage that does not exist") {
    file[file.size() - 4] = 9;
    text = "gives chunk 3 to stage 9";
  }
  write_file(path, file);
  CHECK_THROWS_WITH(ProgressBoard::open(path, Access::read),
                    StartsWith("[" + path.string() + "]") && Contains(text));
}

TEST_CASE("a board that was opened read-only cannot be written") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "progress";
  const ProgressBoard made = ProgressBoard::create(kInfo, path);
  ProgressBoard board = ProgressBoard::open(path, Access::read);
  CHECK_THROWS_AS(board.slot(0), Error);
  CHECK_THROWS_AS(board.name_cause(0, "mine"), Error);
}

TEST_CASE("if several processes record a cause at once, one wins, with its whole text") {
  constexpr int kProcesses = 4;
  const TemporaryFolder folder;
  for (int round = 0; round < 20; ++round) {
    const auto path = folder.path() / std::to_string(round);
    const ProgressBoard board = ProgressBoard::create(kInfo, path);
    Pipe ready;
    Pipe go;
    Pipe won;
    std::vector<Child> children;
    for (int rank = 0; rank < kProcesses; ++rank) {
      children.emplace_back([&, rank] {
        ProgressBoard mine = ProgressBoard::open(path, Access::write);
        ready.put();
        go.get();
        if (mine.name_cause(rank, std::string(900, static_cast<char>('a' + rank)))) {
          won.put(static_cast<char>('a' + rank));
        }
      });
    }
    for (int rank = 0; rank < kProcesses; ++rank) {
      ready.get();
    }
    for (int rank = 0; rank < kProcesses; ++rank) {
      go.put();
    }
    for (Child& child : children) {
      CHECK(child.wait() == 0);
    }
    won.put('.');  // after the winner's letter
    const char winner = won.get();
    CHECK(won.get() == '.');
    const auto cause = board.cause();
    REQUIRE(cause.has_value());
    CHECK(cause->culprit_rank == winner - 'a');
    CHECK(cause->text == std::string(900, winner));
  }
}

TEST_CASE("a later cause changes nothing; a long text is cut between characters") {
  ProgressBoard board(kInfo);
  CHECK_FALSE(board.cause().has_value());
  std::string text(1023, 'x');
  text += "\u00e9";
  CHECK(board.name_cause(-1, text));
  CHECK_FALSE(board.name_cause(2, "another"));
  CHECK(board.cause()->culprit_rank == -1);
  CHECK(board.cause()->text == std::string(1023, 'x'));
}

TEST_CASE("a process that dies while recording a cause leaves none, but the failure shows") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "progress";
  { const ProgressBoard board = ProgressBoard::create(kInfo, path); }
  std::string file = read_file(path);
  file[64] = 1;
  write_file(path, file);
  ProgressBoard board = ProgressBoard::open(path, Access::write);
  CHECK(board.failed());
  CHECK_FALSE(board.cause().has_value());
  CHECK_FALSE(board.name_cause(0, "mine"));
}

TEST_CASE("other processes see a process's row, also after it was killed") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "progress";
  const ProgressBoard board = ProgressBoard::create(kInfo, path);
  Pipe beaten;
  Pipe again;
  Child child([&] {
    ProgressBoard mine = ProgressBoard::open(path, Access::write);
    mine.slot(2).enter();
    mine.slot(2).set(Activity::running, 5, {Op::backward, 1, 3});
    while (true) {
      mine.slot(2).beat();
      beaten.put();
      again.get();
    }
  });
  beaten.get();
  const ProgressSlot::View first = board.slot(2).view();
  CHECK(first.process == child.process());
  CHECK(board.slot(2).host() == host_name());
  CHECK(location_text(first) == "step 5, instruction 1B3");
  CHECK(location_text(board, 2) == rank_text(board.info().mesh, 2) + ", step 5, instruction 1B3");
  again.put();
  beaten.get();
  CHECK(board.slot(2).view().heartbeat_ns > first.heartbeat_ns);
  CHECK(board.slot(2).view().since_ns == first.since_ns);
  child.signal(SIGKILL);
  CHECK(child.wait() == 128 + SIGKILL);
  CHECK(location_text(board.slot(2).view()) == "step 5, instruction 1B3");
  CHECK(board.slot(1).view().process == 0);
}

TEST_CASE("a rank of another host is where it was at its last heartbeat, and the text says so") {
  ProgressBoard board(kInfo);
  ProgressSlot sent;
  sent.set(Activity::running, 7, {Op::forward, 1, 3});
  sent.beat();
  board.slot(1).enter(4321, "far-away");
  board.slot(1).take(sent.copy(sent.view().heartbeat_ns), now_ns() - 4'000'000'000);
  CHECK_THAT(location_text(board, 1), StartsWith("stage 0, rank 1, step 7, instruction 1F3 (4.0"));
  CHECK_THAT(location_text(board, 1), Contains(" s before)"));
  board.slot(1).stop_beating();
  CHECK(location_text(board, 1) == "stage 0, rank 1, step 7, instruction 1F3");
}

TEST_CASE("a place in an evaluation names the batch") {
  ProgressSlot slot;
  slot.set_batch(3);
  slot.set(Activity::running, 10, {Op::forward, 0, 1});
  CHECK(location_text(slot.view()) == "batch 3 of the evaluation after step 10, instruction 0F1");
  slot.set_batch(-1);
  CHECK(location_text(slot.view()) == "step 10, instruction 0F1");
}

}  // namespace
}  // namespace stagecraft
