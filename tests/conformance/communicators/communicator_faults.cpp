// The behaviour of a group after a member's failure, and with calls that do not match.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <thread>

#include "kernels/ops/elementwise.h"
#include "tests/conformance/communicators/collective_values.h"
#include "tests/conformance/communicators/communicator.h"
#include "tests/conformance/thrown.h"

namespace stagecraft::test {
namespace {

/// Calls `first` on rank 0 and `second` on all others, which do not match: each member gets an
/// Error that names both, and the group remains usable.
void expect_disagreement(const CommunicatorFactory& factory, const MemberFunction& first,
                         const MemberFunction& second, const std::vector<std::string>& words) {
  factory.run("disagreement", [&](Member& member) {
    for (int round = 0; round < 3; ++round) {
      member.doing("disagreeing");
      const std::string text =
          error_of([&] { member.rank() == 0 ? first(member) : second(member); });
      for (const std::string& word : words) {
        expect(text.find(word) != std::string::npos, fmt::format("'{}' names {}", text, word));
      }
      check_all_reduce<float>(member, 5);
    }
  });
}

MemberFunction summing(Shape shape, DType dtype) {
  return [=](Member& member) {
    const Tensor x(member.stream.memory(), shape, dtype, MemoryLabel::workspace);
    fill_zero(member.stream, {x});
    member.group.all_reduce(member.stream, x, ReduceOp::sum, Order::tree);
  };
}

/// Each member in turn is the culprit; the others wait in `wait`.
void check_abort(const CommunicatorFactory& factory, const std::string& test,
                 const MemberFunction& wait) {
  const auto wait_out = [&](Member& member) {
    wait(member);
    if (factory.asynchronous) {
      member.stream.synchronize();
      member.group.barrier();
    }
  };
  for (int round = 0; round < (factory.costly ? factory.size : 40); ++round) {
    factory.run(test, [&](Member& member) {
      const int culprit = round % member.size();
      if (member.rank() == culprit) {
        member.group.abort("stage 7, 2F0");
        member.group.abort("a later culprit");
      }
      member.doing("waiting for an abort");
      expect(culprit_of([&] { wait_out(member); }) == "stage 7, 2F0", "the wait names the culprit");
      expect(culprit_of([&] { member.group.barrier(); }) == "stage 7, 2F0",
             "every later operation names the culprit");
      expect(culprit_of([&] { member.group.make_group(all_ranks(member.group), 0); }) ==
                 "stage 7, 2F0",
             "making a group names the culprit");
    });
  }
}

}  // namespace

TEST_CASE("every communicator: an abort ends every wait and names the culprit") {
  const auto factory = any_factory();
  INFO(factory.name);
  REQUIRE_NOTHROW(
      check_abort(factory, "abort in barrier", [](Member& member) { member.group.barrier(); }));
  REQUIRE_NOTHROW(check_abort(factory, "abort in all_reduce", summing({3}, DType::float32)));
  REQUIRE_NOTHROW(
      check_abort(factory, "abort in a large all_reduce", summing({100'003}, DType::float32)));
  if (factory.size > 1) {
    REQUIRE_NOTHROW(check_abort(factory, "abort in recv", [](Member& member) {
      const Tensor x = tensor_of<float>(member.stream, {0});
      member.group.recv(member.stream, x, (member.rank() + 1) % member.size());
    }));
    REQUIRE_NOTHROW(check_abort(factory, "abort in send", [](Member& member) {
      const Tensor x = tensor_of<float>(member.stream, {0});
      member.group.send(member.stream, x, (member.rank() + 1) % member.size());
    }));
  }
}

TEST_CASE("every communicator: a thread that is not a member aborts a member's wait") {
  const auto factory = any_factory();
  INFO(factory.name);
  for (int round = 0; round < (factory.costly ? 1 : 20); ++round) {
    REQUIRE_NOTHROW(factory.run("abort by another thread", [&](Member& member) {
      std::thread guard;
      if (member.rank() == 0) {
        guard = std::thread([&] { member.group.abort("another thread"); });
      }
      const auto finally = [&] {
        if (guard.joinable()) {
          guard.join();
        }
      };
      member.doing("in barriers until the abort");
      const std::string culprit = culprit_of([&] {
        for (;;) {
          member.group.barrier();
        }
      });
      finally();
      expect(culprit == "another thread", "the culprit is named");
    }));
  }
}

TEST_CASE("every communicator: an abort reaches all groups of the world") {
  const auto factory = any_factory();
  INFO(factory.name);
  REQUIRE_NOTHROW(factory.run("abort of other groups", [&](Member& member) {
    // The abort may reach a member already in its message to rank 0.
    const std::string culprit = culprit_of([&] {
      const auto half = member.group.make_group(
          ranks_where(member.group, [&](int rank) { return rank % 2 == member.rank() % 2; }), 0);
      const auto again = half->make_group(all_ranks(*half), 1);
      const Tensor x = tensor_of<float>(member.stream, {0});
      if (member.rank() > 0) {
        member.group.send(member.stream, x, 0);
      }
      for (int from = 1; member.rank() == 0 && from < member.size(); ++from) {
        member.group.recv(member.stream, x, from);
      }
      if (member.rank() == 0) {
        again->abort("rank 0 of a half");
      }
      member.doing("in barriers of a half");
      for (;;) {
        again->barrier();
      }
    });
    expect(culprit == "rank 0 of a half", "the abort reaches the other half");
    expect(culprit_of([&] { member.group.barrier(); }) == culprit, "the world is aborted, too");
  }));
}

TEST_CASE("every communicator: an error names both members whose calls do not match") {
  const auto factory = any_factory();
  INFO(factory.name);
  if (factory.size == 1 || !factory.sees_disagreement) {
    return;
  }
  const auto small = summing({2, 3}, DType::float32);
  const MemberFunction barrier = [](Member& member) { member.group.barrier(); };
  const auto disagree = [&](const auto& first, const auto& second,
                            const std::vector<std::string>& words) {
    REQUIRE_NOTHROW(expect_disagreement(factory, first, second, words));
  };
  disagree(small, summing({3, 2}, DType::float32), {"rank 0", "rank 1", "[2, 3]", "[3, 2]"});
  disagree(small, summing({200'000}, DType::float32), {"rank 0", "rank 1", "[2, 3]", "[200000]"});
  disagree(small, summing({2, 3}, DType::float64), {"rank 0", "rank 1", "float32", "float64"});
  disagree(small, barrier, {"rank 0", "rank 1", "all_reduce", "barrier"});
  disagree(barrier, small, {"rank 0", "rank 1", "all_reduce", "barrier"});
}

TEST_CASE("every communicator: an error names both ends of a message that do not match") {
  const auto factory = any_factory();
  INFO(factory.name);
  if (factory.size != 2 || !factory.sees_disagreement) {
    return;
  }
  const auto send = [](Member& member) {
    member.group.send(member.stream, tensor_of<float>(member.stream, {1, 2, 3}), 1);
  };
  const auto recv = [](Member& member) {
    member.group.recv(member.stream, tensor_of<float>(member.stream, {1, 2}), 0);
  };
  REQUIRE_NOTHROW(
      expect_disagreement(factory, send, recv, {"rank 0", "rank 1", "send", "recv", "[3]", "[2]"}));
}

TEST_CASE("every communicator: an invalid call is an error on every member") {
  const auto factory = any_factory();
  INFO(factory.name);
  REQUIRE_NOTHROW(factory.run("faults", [&](Member& member) {
    Stream& stream = member.stream;
    Communicator& group = member.group;
    const Tensor x = tensor_of<float>(stream, {1, 2, 3});
    const Tensor doubles = tensor_of<double>(stream, {1, 2, 3});
    const Tensor integers = tensor_of<std::int32_t>(stream, {1, 2, 3});
    const auto fails = [&](const std::string& word, auto&& f) {
      const std::string text = error_of(f);
      expect(text.find(word) != std::string::npos, fmt::format("'{}' names {}", text, word));
    };
    fails("no sum", [&] { group.all_reduce(stream, integers, ReduceOp::sum, Order::tree); });
    fails("no maximum", [&] { group.all_reduce(stream, doubles, ReduceOp::maximum, Order::tree); });
    fails("empty", [&] { group.all_reduce(stream, {}, ReduceOp::sum, Order::tree); });
    const Tensor columns = tensor_of<float>(stream, {1, 2, 3, 4}).view({2, 2}).columns(0, 1);
    fails("column range", [&] { group.all_reduce(stream, columns, ReduceOp::sum, Order::tree); });
    fails("do not make", [&] { group.all_gather(stream, x, x.rows(0, 2)); });
    fails("the whole is", [&] { group.all_gather(stream, x, doubles); });
    fails("do not make", [&] { group.reduce_scatter(stream, x, x.rows(0, 0), Order::tree); });
    fails("not in a group", [&] { group.broadcast(stream, x, member.size()); });
    fails("not in a group", [&] { group.broadcast(stream, x, -1); });
    fails("not in a group", [&] { group.send(stream, x, member.size()); });
    fails("itself", [&] { group.send(stream, x, member.rank()); });
    fails("itself", [&] { group.recv(stream, x, member.rank()); });
    check_all_reduce<float>(member, 3);
  }));
}

}  // namespace stagecraft::test
