// The ranks of two hosts find their boards, each host in a folder of its own: nothing that one host
// writes is mapped by the other.
#include "launch/run/host_board.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <stdexcept>
#include <utility>
#include <vector>

#include "kernels/base/error.h"
#include "launch/artifacts/run_boards.h"
#include "tests/temporary_folder.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;

const BoardInfo kInfo{
    .mesh = {.pipeline = 4}, .stage_of_chunk = {0, 1, 2, 3}, .watchdog_seconds = 0.2};

/// Gives every rank the same texts, as MPI does.
class Session : public MpiSession {
 public:
  explicit Session(std::vector<std::string> texts) : texts_(std::move(texts)) {}
  int rank() const override { return 0; }
  int size() const override { return static_cast<int>(texts_.size()); }
  bool shares_windows_with(int) const override { return false; }
  std::vector<std::string> exchange(const std::string&) override { return texts_; }
  std::unique_ptr<Communicator> world() override { throw std::logic_error("no world"); }
  P2pTransport& p2p() override { throw std::logic_error("no transport"); }

 private:
  std::vector<std::string> texts_;
};

/// Ranks 0 and 1 on `first`, 2 and 3 on `second`.
class TwoHosts {
 public:
  BoardPlace place(int rank) const {
    const bool on_first = rank < 2;
    return {.run_file = run / "progress",
            .process = {.rank = rank,
                        .size = 4,
                        .local_rank = rank % 2,
                        .local_size = 2,
                        .local_folder = on_first ? first_.path() : second_.path()},
            .host = on_first ? "first" : "second",
            .launcher = 77};  // the process numbers of two hosts may agree
  }

 private:
  TemporaryFolder run_;
  TemporaryFolder first_;
  TemporaryFolder second_;

 public:
  std::filesystem::path run = run_.path();
};

int process_of(const HostBoard& host, int rank) {
  return std::as_const(*host.board()).slot(rank).view().process;
}

}  // namespace

TEST_CASE("two hosts: the ranks of each share a board, and those of the other none of it") {
  const TwoHosts hosts;
  const HostBoard rank0(kInfo, hosts.place(0));
  const HostBoard rank2(kInfo, hosts.place(2));
  const HostBoard rank3(kInfo, hosts.place(3));
  const HostBoard rank1(kInfo, hosts.place(1));
  CHECK(std::filesystem::exists(hosts.run / "progress"));
  CHECK(std::filesystem::exists(hosts.place(2).host_file()));
  CHECK(hosts.place(2).host_file().parent_path() != hosts.run);
  for (const HostBoard* here : {&rank0, &rank1}) {
    CHECK(process_of(*here, 0) == ::getpid());
    CHECK(process_of(*here, 1) == ::getpid());
    CHECK(process_of(*here, 2) == 0);
  }
  for (const HostBoard* there : {&rank2, &rank3}) {
    CHECK(process_of(*there, 1) == 0);
    CHECK(process_of(*there, 2) == ::getpid());
    CHECK(process_of(*there, 3) == ::getpid());
  }
  rank2.board()->name_cause(2, "it fell");
  CHECK(rank3.board()->failed());
  CHECK_FALSE(rank0.board()->failed());
}

TEST_CASE("two hosts: a rank does not take the board of another host, or of another launcher") {
  const TwoHosts hosts;
  const HostBoard rank0(kInfo, hosts.place(0));
  CHECK_THROWS_WITH(HostBoard(kInfo, hosts.place(3)),
                    Contains("the first rank of second has made no progress board"));
  BoardPlace stale = hosts.place(1);
  stale.launcher = 78;
  CHECK_THROWS_WITH(HostBoard(kInfo, stale),
                    Contains("the first rank of first has made no progress board"));
}

TEST_CASE("two hosts: when MPI has started, each board has all ranks, and a local one no name") {
  const TwoHosts hosts;
  HostBoard rank0(kInfo, hosts.place(0));
  HostBoard rank1(kInfo, hosts.place(1));
  HostBoard rank2(kInfo, hosts.place(2));
  Session session({"first 10", "first 11", "second 12", "second 13"});
  for (HostBoard* host : {&rank0, &rank1, &rank2}) {
    host->meet_others(session);
  }
  CHECK(process_of(rank0, 0) == ::getpid());  // its own row stays
  CHECK(process_of(rank0, 3) == 13);
  CHECK(std::as_const(*rank1.board()).slot(2).host() == "second");
  CHECK(process_of(rank2, 0) == 10);
  CHECK(std::as_const(*rank2.board()).slot(1).host() == "first");
  CHECK_FALSE(std::filesystem::exists(hosts.place(2).host_file()));
  CHECK(std::filesystem::exists(hosts.run / "progress"));
  CHECK(rank0.relay().has_value());
  CHECK(rank2.relay().has_value());
  CHECK_FALSE(rank1.relay().has_value());
  rank0.end();
  CHECK(std::as_const(*rank0.board()).slot(3).view().activity == Activity::ended);
  CHECK(std::as_const(*rank0.board()).slot(1).view().activity == Activity::starting);
}

TEST_CASE("two hosts: a cause that reached only its own host is found in the run directory") {
  const TwoHosts hosts;
  const HostBoard rank0(kInfo, hosts.place(0));
  const HostBoard rank2(kInfo, hosts.place(2));
  const HostBoard rank3(kInfo, hosts.place(3));
  rank0.keep_copy();
  CHECK(run_boards(hosts.run).size() == 1);  // the file itself is there
  CHECK_FALSE(first_cause(run_boards(hosts.run)).has_value());
  rank3.board()->name_cause(3, "it fell");
  rank2.keep_copy();
  rank3.keep_copy();
  const std::vector<ProgressBoard> boards = run_boards(hosts.run);
  CHECK(boards.size() == 3);
  REQUIRE(first_cause(boards).has_value());
  CHECK(first_cause(boards)->text == "it fell");
  CHECK(first_cause(boards)->culprit_rank == 3);
}

TEST_CASE("one host: all ranks map the board in the run directory, and have nobody to meet") {
  const TemporaryFolder folder;
  const auto place = [&](int rank) {
    return BoardPlace{.run_file = folder.path() / "progress",
                      .process = {.rank = rank, .size = 2, .local_rank = rank, .local_size = 2},
                      .host = "only",
                      .launcher = 77};
  };
  HostBoard rank0(kInfo, place(0));
  const HostBoard rank1(kInfo, place(1));
  CHECK(process_of(rank0, 1) == ::getpid());
  Session nobody({});
  rank0.meet_others(nobody);
  CHECK_FALSE(rank0.relay().has_value());
  rank1.keep_copy();
  CHECK(run_boards(folder.path()).size() == 1);
  const TemporaryFolder empty;
  BoardPlace alone = place(1);
  alone.run_file = empty.path() / "progress";
  CHECK_THROWS_WITH(HostBoard(kInfo, alone), Contains("rank 0 has made no progress board"));
}

}  // namespace stagecraft
