// The link that calls NCCL, over a fake library: who is aborted when, and what ends a call that
// waits for other members.
#include "tensor_parallel/comm/nccl/nccl_link.h"

#include <array>
#include <catch2/catch.hpp>
#include <thread>

#include "kernels/backends/make_stream.h"
#include "tests/conformance/thrown.h"
#include "tests/tensor_parallel/comm/nccl/fake_nccl.h"

namespace stagecraft::nccl {
namespace {

using test::fake_nccl;

class Fixture {
 public:
  Fixture() { test::reset_fake_nccl(); }
  /// No communicator may be left, nor one have been freed under a thread that was in it.
  ~Fixture() {
    CHECK(fake_nccl().live_communicators() == 0);
    CHECK(fake_nccl().misuses == std::vector<std::string>{});
  }

  static LinkSetup setup() {
    return {.id = new_unique_id(), .check = [] {}};
  }
  void all_reduce(Link& link) { link.all_reduce(*stream_, x_, ReduceOp::sum); }
  Stream& stream() { return *stream_; }
  const Tensor& x() const { return x_; }

 private:
  std::unique_ptr<Stream> stream_ = make_stream({}, {});
  Tensor x_{stream_->memory(), {4}, DType::float32, MemoryLabel::workspace};
};

}  // namespace

TEST_CASE("a link is a pair of communicators, whose blocking one makes all calls") {
  Fixture fixture;
  const auto link = connect_link(Fixture::setup());
  CHECK(fake_nccl().live_communicators() == 2);
  fixture.all_reduce(*link);
  const std::array transfers{Transfer{Transfer::Direction::send, fixture.x(), 1},
                             Transfer{Transfer::Direction::recv, fixture.x(), 1}};
  link->exchange(fixture.stream(), transfers);
  CHECK(fake_nccl().calls == std::vector<std::string>{"all_reduce", "send", "recv"});
}

TEST_CASE("an abort ends a call that waits for other members") {
  Fixture fixture;
  const auto link = connect_link(Fixture::setup());
  fake_nccl().holds = true;
  std::string thrown;
  std::thread caller([&] { thrown = test::error_of([&] { fixture.all_reduce(*link); }); });
  fake_nccl().await_call();
  link->abort();
  caller.join();
  CHECK_THAT(thrown, Catch::Contains("all_reduce: the fake's error: its words"));
  CHECK_THAT(test::error_of([&] { fixture.all_reduce(*link); }),
             Catch::Contains("all_reduce after an abort"));
}

TEST_CASE("two threads may abort a link at the same time") {
  Fixture fixture;
  const auto link = connect_link(Fixture::setup());
  fake_nccl().holds = true;
  std::thread caller([&] { CHECK_THROWS_AS(fixture.all_reduce(*link), Error); });
  fake_nccl().await_call();
  std::thread other([&] { link->abort(); });
  link->abort();
  other.join();
  caller.join();
}

TEST_CASE("a call that the others do not join ends at its deadline") {
  Fixture fixture;
  LinkSetup setup = Fixture::setup();
  setup.deadline_seconds = 0.2;
  const auto link = connect_link(setup);
  fake_nccl().holds = true;
  CHECK_THAT(test::error_of([&] { fixture.all_reduce(*link); }),
             Catch::Contains("all_reduce: 0 of 2 has waited 0 s for the others"));
}

TEST_CASE("joining is given up after an abort of the world, and at the deadline") {
  Fixture fixture;
  fake_nccl().joins = false;
  LinkSetup setup = Fixture::setup();
  int checks = 0;
  setup.check = [&] {
    if (++checks == 3) {
      throw AbortedError("stage 1, 0F0");
    }
  };
  CHECK(test::culprit_of([&] { connect_link(setup); }) == "stage 1, 0F0");
  setup.check = [] {};
  setup.deadline_seconds = 0;
  CHECK_THAT(test::error_of([&] { connect_link(setup); }),
             Catch::Contains("joining a group: 0 of 2 has waited 0 s for the others"));
}

}  // namespace stagecraft::nccl
